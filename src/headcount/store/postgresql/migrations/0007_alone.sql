-- One new resource by itself, without members and without values that are unique besides its userName: what most writes
-- are where few come at once. Nothing can be refused behind the first statement, which tells by ON CONFLICT, so that no
-- subtransaction is needed, and one row is cheaper than a set of one.
CREATE FUNCTION create_alone_1(p_tenant text, w write_2, OUT result written_1)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, manager, user_name,
        display_name, title, active, document, compare, private, connection)
    VALUES (p_tenant, w.type, w.id, 1, w.at, w.at, w.label, w.folded_label, w.manager, w.user_name,
        w.display_name, w.title, w.active, w.document, w.compare, w.private, w.connection)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        result.number := 1;
        result.refusal := 'unique';
        result := owner_2(p_tenant, w, result);
        RETURN;
    END IF;
    IF w.external_id IS NOT NULL THEN
        INSERT INTO external_id (tenant, connection, type, value, id)
        VALUES (p_tenant, w.connection, w.type, w.external_id, w.id);
    END IF;
    IF w.indexed_values IS NOT NULL THEN
        INSERT INTO indexed_value (tenant, type, path, value, id, element)
        SELECT p_tenant, w.type, item ->> 0, item ->> 2, w.id, (item ->> 1)::integer
        FROM jsonb_array_elements(w.indexed_values) AS item;
    END IF;
    INSERT INTO counter AS c (tenant, name, shard, value) VALUES (p_tenant, w.type, pg_backend_pid() % 16, 1)
    ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + excluded.value;
    INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection, after)
    VALUES (p_tenant, w.type, w.id, 1, 'create', w.at, w.actor, w.request_id, w.connection, w.document);
    result := (1, NULL, NULL, NULL, NULL, 1, w.at, w.at, true, 0);
END $$;
