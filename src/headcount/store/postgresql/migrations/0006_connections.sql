-- Whose connection wrote what: each has externalIds of its own. The write path of 0002 with the connection; what is not
-- made anew here serves both.

ALTER TABLE resource ADD COLUMN connection text COLLATE "C" NOT NULL DEFAULT 'default'; -- who created it
ALTER TABLE change ADD COLUMN connection text COLLATE "C" NOT NULL DEFAULT 'default';

-- The value comes before the connection: it is looked for in one connection or in all.
ALTER TABLE external_id DROP CONSTRAINT external_id_pkey, ADD PRIMARY KEY (tenant, type, value, connection, id);

CREATE TYPE write_2 AS (
    kind text,                      -- create, update, delete
    type text,
    id text,
    at text,
    actor text,
    request_id text,
    connection text,                -- whose externalId is meant, and who owns what is created
    expected_version bigint,
    document bytea,                 -- NULL leaves the stored attributes alone
    compare jsonb,
    private bytea,
    before bytea,
    label text,
    folded_label text,
    manager text,
    user_name text,
    display_name text,
    title text,
    active boolean,
    external_id text,
    has_other_keys boolean,         -- whether external_id, unique_values or indexed_values differ from what is kept
    unique_values jsonb,            -- [[attribute, value], …]
    indexed_values jsonb,           -- [[path, element, value], …]
    added text[],
    removed text[],
    clear boolean                   -- whether all members go first; NULL when no members change
);

CREATE FUNCTION add_keys_2(p_tenant text, p_writes write_2[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO external_id SELECT p_tenant, w.connection, w.type, w.external_id, w.id
    FROM unnest(p_writes) AS w WHERE w.external_id IS NOT NULL;
    INSERT INTO unique_value SELECT p_tenant, item ->> 0, item ->> 1, w.id
    FROM unnest(p_writes) AS w CROSS JOIN jsonb_array_elements(w.unique_values) AS item ORDER BY 2, 3;
    INSERT INTO indexed_value SELECT p_tenant, w.type, item ->> 0, item ->> 2, w.id, (item ->> 1)::integer
    FROM unnest(p_writes) AS w CROSS JOIN jsonb_array_elements(w.indexed_values) AS item;
END $$;

-- The externalIds of one connection, or of all, with everything else that the resource is found by.
CREATE FUNCTION remove_keys_2(p_tenant text, p_type text, p_id text, p_connection text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM external_id AS x WHERE x.tenant = p_tenant AND x.type = p_type AND x.id = p_id
    AND (p_connection IS NULL OR x.connection = p_connection);
    DELETE FROM unique_value AS x WHERE x.tenant = p_tenant AND x.id = p_id;
    DELETE FROM indexed_value AS x WHERE x.tenant = p_tenant AND x.type = p_type AND x.id = p_id;
END $$;

-- New resources with all that they are found by, as sets; members and the change log apart.
CREATE FUNCTION add_resources_2(p_tenant text, p_writes write_2[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, manager, user_name,
        display_name, title, active, document, compare, private, connection)
    SELECT p_tenant, w.type, w.id, 1, w.at, w.at, w.label, w.folded_label, w.manager, w.user_name,
        w.display_name, w.title, w.active, w.document, w.compare, w.private, w.connection
    FROM unnest(p_writes) AS w;
    PERFORM add_keys_2(p_tenant, p_writes);
    INSERT INTO counter AS c (tenant, name, shard, value)
    SELECT p_tenant, w.type, pg_backend_pid() % 16, count(*) FROM unnest(p_writes) AS w GROUP BY w.type ORDER BY w.type
    ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + excluded.value;
END $$;

CREATE FUNCTION create_2(p_tenant text, w write_2) RETURNS written_1
LANGUAGE plpgsql AS $$
DECLARE
    came text[];
    result written_1 := (NULL, NULL, NULL, NULL, NULL, 1, w.at, w.at, true, 0);
BEGIN
    PERFORM add_resources_2(p_tenant, ARRAY[w]);
    IF w.clear IS NOT NULL THEN
        SELECT c.added INTO came FROM change_members_1(p_tenant, w.id, false, w.added, NULL) AS c;
        result.member_count := cardinality(came);
        UPDATE resource AS r SET member_count = result.member_count
        WHERE r.tenant = p_tenant AND r.type = w.type AND r.id = w.id;
    END IF;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, after, added)
    VALUES (p_tenant, w.type, w.id, 1, 'create', w.at, w.actor, w.request_id, w.connection, w.document, came);
    RETURN result;
END $$;

CREATE FUNCTION update_2(p_tenant text, w write_2) RETURNS written_1
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    came text[] := '{}';
    went text[] := '{}';
BEGIN
    SELECT x.version, x.created, x.modified, x.member_count INTO r FROM resource AS x
    WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'HC404', MESSAGE = w.id;
    END IF;
    IF w.expected_version <> r.version THEN
        RAISE EXCEPTION USING ERRCODE = 'HC412', MESSAGE = w.id;
    END IF;
    IF w.clear IS NOT NULL THEN
        SELECT c.added, c.removed INTO came, went
        FROM change_members_1(p_tenant, w.id, w.clear, w.added, w.removed) AS c;
    END IF;
    IF w.document IS NOT NULL THEN
        UPDATE resource AS x SET version = x.version + 1, modified = greatest(x.modified, w.at), label = w.label,
            folded_label = w.folded_label, manager = w.manager, user_name = w.user_name,
            display_name = w.display_name, title = w.title, active = w.active, document = w.document,
            compare = w.compare, private = coalesce(w.private, x.private),
            member_count = x.member_count + cardinality(came) - cardinality(went)
        WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id
        RETURNING x.version, x.created, x.modified, x.member_count INTO r;
        IF w.has_other_keys THEN
            PERFORM remove_keys_2(p_tenant, w.type, w.id, w.connection);
            PERFORM add_keys_2(p_tenant, ARRAY[w]);
        END IF;
    ELSIF cardinality(came) > 0 OR cardinality(went) > 0 THEN
        UPDATE resource AS x SET version = x.version + 1, modified = greatest(x.modified, w.at),
            member_count = x.member_count + cardinality(came) - cardinality(went)
        WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id
        RETURNING x.version, x.created, x.modified, x.member_count INTO r;
    ELSE
        RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, false, r.member_count)::written_1;
    END IF;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, before, after, added,
        removed)
    VALUES (p_tenant, w.type, w.id, r.version, 'update', w.at, w.actor, w.request_id, w.connection, w.before,
        w.document, nullif(came, '{}'), nullif(went, '{}'));
    RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, true, r.member_count)::written_1;
END $$;

CREATE FUNCTION delete_2(p_tenant text, w write_2) RETURNS written_1
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    nested bigint := 0;
    left_groups text[];
    types text[];
BEGIN
    SELECT x.version, x.created, x.modified, x.member_count, x.document INTO r FROM resource AS x
    WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'HC404', MESSAGE = w.id;
    END IF;
    IF w.expected_version <> r.version THEN
        RAISE EXCEPTION USING ERRCODE = 'HC412', MESSAGE = w.id;
    END IF;
    DELETE FROM resource AS x WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id;
    PERFORM remove_keys_2(p_tenant, w.type, w.id, NULL);
    PERFORM count_1(p_tenant, w.type, pg_backend_pid() % 16, -1);
    -- the rows of its groups are locked first, in the order of their ids; any type that is counted may keep members
    SELECT coalesce(array_agg(DISTINCT c.name), '{}') INTO types FROM counter AS c WHERE c.tenant = p_tenant;
    PERFORM 1 FROM resource AS g WHERE g.tenant = p_tenant AND g.type = ANY (types) AND g.id IN (
        SELECT m.group_id FROM membership AS m WHERE m.tenant = p_tenant AND m.member_id = w.id
    ) ORDER BY g.id FOR NO KEY UPDATE;
    WITH d AS (
        DELETE FROM membership AS m WHERE m.tenant = p_tenant AND m.member_id = w.id RETURNING m.group_id
    ), g AS (
        UPDATE resource AS x SET version = x.version + 1, modified = greatest(x.modified, w.at),
            member_count = x.member_count - 1
        FROM d WHERE x.tenant = p_tenant AND x.type = ANY (types) AND x.id = d.group_id
        RETURNING x.type, x.id, x.version
    ), c AS (
        INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, removed)
        SELECT p_tenant, g.type, g.id, g.version, 'update', w.at, w.actor, w.request_id, w.connection, ARRAY[w.id]
        FROM g
    )
    SELECT coalesce(array_agg(g.id), '{}') INTO left_groups FROM g;
    IF w.type = 'Group' THEN
        nested := -cardinality(left_groups);
    END IF;
    IF r.member_count > 0 THEN
        WITH d AS (
            DELETE FROM membership AS m WHERE m.tenant = p_tenant AND m.group_id = w.id RETURNING m.member_type
        )
        SELECT nested - count(*) FILTER (WHERE d.member_type = 'Group') INTO nested FROM d;
    END IF;
    IF nested <> 0 THEN
        PERFORM count_1(p_tenant, 'nested', 0, nested);
    END IF;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, before)
    VALUES (p_tenant, w.type, w.id, r.version, 'delete', w.at, w.actor, w.request_id, w.connection, r.document);
    RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, true, 0)::written_1;
END $$;

CREATE FUNCTION carry_out_one_2(p_tenant text, w write_2) RETURNS written_1
LANGUAGE plpgsql AS $$
BEGIN
    IF w.kind = 'create' THEN
        RETURN create_2(p_tenant, w);
    ELSIF w.kind = 'update' THEN
        RETURN update_2(p_tenant, w);
    END IF;
    RETURN delete_2(p_tenant, w);
END $$;

-- Whose the value is that a refused write wanted for itself.
CREATE FUNCTION owner_2(p_tenant text, w write_2, INOUT result written_1)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT 'userName', w.user_name, r.id INTO result.attribute, result.value, result.owner FROM resource AS r
    WHERE r.tenant = p_tenant AND r.type = w.type AND r.user_name = w.user_name AND r.id <> w.id;
    IF NOT FOUND THEN
        SELECT u.attribute, u.value, u.id INTO result.attribute, result.value, result.owner
        FROM jsonb_array_elements(w.unique_values) AS item JOIN unique_value AS u
        ON u.tenant = p_tenant AND u.attribute = item ->> 0 AND u.value = item ->> 1 AND u.id <> w.id LIMIT 1;
    END IF;
END $$;

-- All writes, each wholly or not at all. Most batches hold no write that is refused, so they are tried together first:
-- one subtransaction instead of one for each, and one statement for each table where all are creates. Plans live as long
-- as a connection: those made while a table was small must not read all of it once it is large, and planning anew for
-- every batch would cost as much as the work.
CREATE FUNCTION carry_out_2(p_tenant text, p_writes write_2[]) RETURNS SETOF written_1
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    results written_1[] := '{}';
    result written_1;
    w write_2;
    number integer := 0;
    all_new boolean := NOT EXISTS ( -- of creates without members most batches consist
        SELECT 1 FROM unnest(p_writes) AS x WHERE x.kind <> 'create' OR x.clear IS NOT NULL);
BEGIN
    IF all_new OR cardinality(p_writes) > 1 THEN
        BEGIN
            IF all_new THEN
                PERFORM add_resources_2(p_tenant, p_writes);
                INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, after)
                SELECT p_tenant, x.type, x.id, 1, 'create', x.at, x.actor, x.request_id, x.connection, x.document
                FROM unnest(p_writes) AS x;
                RETURN QUERY SELECT x.ordinality::integer, NULL, NULL, NULL, NULL, 1::bigint, x.at, x.at, true, 0
                FROM unnest(p_writes) WITH ORDINALITY AS x;
                RETURN;
            END IF;
            FOREACH w IN ARRAY p_writes LOOP
                number := number + 1;
                result := carry_out_one_2(p_tenant, w);
                result.number := number;
                results := results || result;
            END LOOP;
            RETURN QUERY SELECT * FROM unnest(results);
            RETURN;
        EXCEPTION WHEN unique_violation OR SQLSTATE 'HC404' OR SQLSTATE 'HC412' OR SQLSTATE 'HC422' OR SQLSTATE 'HC409'
        THEN
            number := 0;
        END;
    END IF;
    FOREACH w IN ARRAY p_writes LOOP
        number := number + 1;
        BEGIN
            result := carry_out_one_2(p_tenant, w);
        EXCEPTION
            WHEN unique_violation THEN
                result := NULL;
                result.refusal := 'unique';
                result := owner_2(p_tenant, w, result);
            WHEN SQLSTATE 'HC404' OR SQLSTATE 'HC412' OR SQLSTATE 'HC422' OR SQLSTATE 'HC409' THEN
                result := NULL;
                result.value := SQLERRM;
                result.refusal := CASE SQLSTATE WHEN 'HC404' THEN 'missing' WHEN 'HC412' THEN 'version'
                    WHEN 'HC422' THEN 'member' ELSE 'cycle' END;
        END;
        result.number := number;
        RETURN NEXT result;
    END LOOP;
END $$;

-- A write and what other rooms keep with it: both or neither.
CREATE FUNCTION carry_out_with_2(
    p_tenant text, w write_2, p_collections text[], p_keys text[], p_values bytea[], p_expected bigint[])
RETURNS SETOF written_1 LANGUAGE plpgsql AS $$
DECLARE
    result written_1;
BEGIN
    SELECT * INTO result FROM carry_out_2(p_tenant, ARRAY[w]);
    IF result.refusal IS NULL THEN
        PERFORM put_1(p_tenant, p_collections, p_keys, p_values, p_expected);
    END IF;
    RETURN NEXT result;
END $$;
