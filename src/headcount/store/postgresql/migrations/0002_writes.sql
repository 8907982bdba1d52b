-- The one write path: a batch of writes of one tenant in one call. A new version of Headcount brings functions with
-- new numbers, so that the previous version goes on while both serve.

CREATE TYPE write_1 AS (
    kind text,                      -- create, update, delete
    type text,
    id text,
    at text,
    actor text,
    request_id text,
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

CREATE TYPE written_1 AS (
    number integer,                 -- of the write in the batch, from 1
    refusal text,                   -- NULL, missing, version, unique, member, cycle
    attribute text,
    value text,
    owner text,
    version bigint,
    created text,
    modified text,
    changed boolean,
    member_count integer
);

CREATE FUNCTION count_1(p_tenant text, p_name text, p_shard integer, p_change bigint) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO counter AS c (tenant, name, shard, value) VALUES (p_tenant, p_name, p_shard, p_change)
    ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + excluded.value
$$;

CREATE FUNCTION add_keys_1(p_tenant text, p_writes write_1[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO external_id SELECT p_tenant, 'default', w.type, w.external_id, w.id
    FROM unnest(p_writes) AS w WHERE w.external_id IS NOT NULL;
    INSERT INTO unique_value SELECT p_tenant, item ->> 0, item ->> 1, w.id
    FROM unnest(p_writes) AS w CROSS JOIN jsonb_array_elements(w.unique_values) AS item ORDER BY 2, 3;
    INSERT INTO indexed_value SELECT p_tenant, w.type, item ->> 0, item ->> 2, w.id, (item ->> 1)::integer
    FROM unnest(p_writes) AS w CROSS JOIN jsonb_array_elements(w.indexed_values) AS item;
END $$;

CREATE FUNCTION remove_keys_1(p_tenant text, p_type text, p_id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM external_id AS x WHERE x.tenant = p_tenant AND x.type = p_type AND x.id = p_id;
    DELETE FROM unique_value AS x WHERE x.tenant = p_tenant AND x.id = p_id;
    DELETE FROM indexed_value AS x WHERE x.tenant = p_tenant AND x.type = p_type AND x.id = p_id;
END $$;

-- Members that go, then members that come; INOUT lists become those that really did. The group's row is locked.
CREATE FUNCTION change_members_1(p_tenant text, p_group text, p_clear boolean, INOUT added text[], INOUT removed text[])
LANGUAGE plpgsql AS $$
DECLARE
    asked text[] := coalesce(added, '{}');
    came record;
    gone record;
    problem text;
BEGIN
    IF p_clear OR cardinality(asked) + cardinality(coalesce(removed, '{}')) > 64 THEN
        -- for many members a plan of its own, by the size that the tables have now, is worth its time
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
    END IF;
    IF p_clear THEN
        -- EXCEPT costs what a sort costs, whatever the planner believes of the tables
        removed := ARRAY(
            SELECT m.member_id FROM membership AS m WHERE m.tenant = p_tenant AND m.group_id = p_group
            EXCEPT SELECT unnest(asked));
    END IF;
    WITH d AS (
        DELETE FROM membership AS m WHERE m.tenant = p_tenant AND m.group_id = p_group
        AND m.member_id = ANY (coalesce(removed, '{}'))
        RETURNING m.member_id, m.member_type)
    SELECT coalesce(array_agg(d.member_id), '{}') AS ids, count(*) FILTER (WHERE d.member_type = 'Group') AS nested
    INTO gone FROM d;
    -- whoever is added cannot be deleted before this transaction ends
    WITH known AS (
        SELECT r.id, r.type FROM resource AS r
        WHERE r.tenant = p_tenant AND r.type IN ('User', 'Group') AND r.id = ANY (asked)
        ORDER BY r.type, r.id FOR KEY SHARE
    ), i AS (
        INSERT INTO membership SELECT p_tenant, p_group, known.id, known.type FROM known
        ON CONFLICT DO NOTHING RETURNING member_id, member_type
    )
    SELECT coalesce(array_agg(i.member_id), '{}') AS ids,
        coalesce(array_agg(i.member_id) FILTER (WHERE i.member_type = 'Group'), '{}') AS nested
    INTO came FROM i;
    IF cardinality(came.ids) < cardinality(asked) THEN
        SELECT unknown.id INTO problem FROM (
            SELECT unnest(asked) AS id
            EXCEPT SELECT r.id FROM resource AS r
            WHERE r.tenant = p_tenant AND r.type IN ('User', 'Group') AND r.id = ANY (asked)
        ) AS unknown LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'HC422', MESSAGE = problem;
        END IF;
    END IF;
    IF cardinality(came.nested) > 0 OR gone.nested > 0 THEN
        -- one at a time in a tenant, so that two groups cannot become members of each other
        PERFORM count_1(p_tenant, 'nested', 0, cardinality(came.nested) - gone.nested);
        WITH RECURSIVE below (id, top) AS (
            SELECT n, n FROM unnest(came.nested) AS n
            UNION
            SELECT m.member_id, below.top FROM below JOIN membership AS m
            ON m.tenant = p_tenant AND m.group_id = below.id AND m.member_type = 'Group'
        )
        SELECT below.top INTO problem FROM below WHERE below.id = p_group LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'HC409', MESSAGE = problem;
        END IF;
    END IF;
    added := came.ids;
    removed := gone.ids;
END $$;

-- New resources with all that they are found by, as sets; members and the change log apart.
CREATE FUNCTION add_resources_1(p_tenant text, p_writes write_1[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, manager, user_name,
        display_name, title, active, document, compare, private)
    SELECT p_tenant, w.type, w.id, 1, w.at, w.at, w.label, w.folded_label, w.manager, w.user_name,
        w.display_name, w.title, w.active, w.document, w.compare, w.private
    FROM unnest(p_writes) AS w;
    PERFORM add_keys_1(p_tenant, p_writes);
    INSERT INTO counter AS c (tenant, name, shard, value)
    SELECT p_tenant, w.type, pg_backend_pid() % 16, count(*) FROM unnest(p_writes) AS w GROUP BY w.type ORDER BY w.type
    ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + excluded.value;
END $$;

CREATE FUNCTION create_1(p_tenant text, w write_1) RETURNS written_1
LANGUAGE plpgsql AS $$
DECLARE
    came text[];
    result written_1 := (NULL, NULL, NULL, NULL, NULL, 1, w.at, w.at, true, 0);
BEGIN
    PERFORM add_resources_1(p_tenant, ARRAY[w]);
    IF w.clear IS NOT NULL THEN
        SELECT c.added INTO came FROM change_members_1(p_tenant, w.id, false, w.added, NULL) AS c;
        result.member_count := cardinality(came);
        UPDATE resource AS r SET member_count = result.member_count
        WHERE r.tenant = p_tenant AND r.type = w.type AND r.id = w.id;
    END IF;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, after, added)
    VALUES (p_tenant, w.type, w.id, 1, 'create', w.at, w.actor, w.request_id, w.document, came);
    RETURN result;
END $$;

CREATE FUNCTION update_1(p_tenant text, w write_1) RETURNS written_1
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
            PERFORM remove_keys_1(p_tenant, w.type, w.id);
            PERFORM add_keys_1(p_tenant, ARRAY[w]);
        END IF;
    ELSIF cardinality(came) > 0 OR cardinality(went) > 0 THEN
        UPDATE resource AS x SET version = x.version + 1, modified = greatest(x.modified, w.at),
            member_count = x.member_count + cardinality(came) - cardinality(went)
        WHERE x.tenant = p_tenant AND x.type = w.type AND x.id = w.id
        RETURNING x.version, x.created, x.modified, x.member_count INTO r;
    ELSE
        RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, false, r.member_count)::written_1;
    END IF;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, before, after, added, removed)
    VALUES (p_tenant, w.type, w.id, r.version, 'update', w.at, w.actor, w.request_id, w.before, w.document,
        nullif(came, '{}'), nullif(went, '{}'));
    RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, true, r.member_count)::written_1;
END $$;

CREATE FUNCTION delete_1(p_tenant text, w write_1) RETURNS written_1
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
    PERFORM remove_keys_1(p_tenant, w.type, w.id);
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
        INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, removed)
        SELECT p_tenant, g.type, g.id, g.version, 'update', w.at, w.actor, w.request_id, ARRAY[w.id] FROM g
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
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, before)
    VALUES (p_tenant, w.type, w.id, r.version, 'delete', w.at, w.actor, w.request_id, r.document);
    RETURN (NULL, NULL, NULL, NULL, NULL, r.version, r.created, r.modified, true, 0)::written_1;
END $$;

CREATE FUNCTION carry_out_one_1(p_tenant text, w write_1) RETURNS written_1
LANGUAGE plpgsql AS $$
BEGIN
    IF w.kind = 'create' THEN
        RETURN create_1(p_tenant, w);
    ELSIF w.kind = 'update' THEN
        RETURN update_1(p_tenant, w);
    END IF;
    RETURN delete_1(p_tenant, w);
END $$;

-- Whose the value is that a refused write wanted for itself.
CREATE FUNCTION owner_1(p_tenant text, w write_1, INOUT result written_1)
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
CREATE FUNCTION carry_out_1(p_tenant text, p_writes write_1[]) RETURNS SETOF written_1
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    results written_1[] := '{}';
    result written_1;
    w write_1;
    number integer := 0;
    all_new boolean := NOT EXISTS ( -- of creates without members most batches consist
        SELECT 1 FROM unnest(p_writes) AS x WHERE x.kind <> 'create' OR x.clear IS NOT NULL);
BEGIN
    IF all_new OR cardinality(p_writes) > 1 THEN
        BEGIN
            IF all_new THEN
                PERFORM add_resources_1(p_tenant, p_writes);
                INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, after)
                SELECT p_tenant, x.type, x.id, 1, 'create', x.at, x.actor, x.request_id, x.document
                FROM unnest(p_writes) AS x;
                RETURN QUERY SELECT x.ordinality::integer, NULL, NULL, NULL, NULL, 1::bigint, x.at, x.at, true, 0
                FROM unnest(p_writes) WITH ORDINALITY AS x;
                RETURN;
            END IF;
            FOREACH w IN ARRAY p_writes LOOP
                number := number + 1;
                result := carry_out_one_1(p_tenant, w);
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
            result := carry_out_one_1(p_tenant, w);
        EXCEPTION
            WHEN unique_violation THEN
                result := NULL;
                result.refusal := 'unique';
                result := owner_1(p_tenant, w, result);
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
