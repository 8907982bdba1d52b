-- A planner that knows nothing yet takes all indexes that begin with tenant and type for equally good, and plans made
-- then may live for as long as a connection. It learns from a sample of what is to come, which is removed again; the
-- database replaces what it learned as soon as it has data of its own. No tenant's name begins with an underscore.

INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, user_name, display_name,
    title, active, document, compare)
SELECT '_sample' || n % 4, CASE WHEN n % 10 = 0 THEN 'Group' ELSE 'User' END, md5(n::text), 1, md5(n::text),
    md5((n / 2)::text), md5(n::text), md5(n::text), md5(n::text), md5((n / 3)::text), md5((n / 20)::text), n % 10 > 0,
    convert_to(repeat(md5(n::text), 30), 'UTF8'), jsonb_build_object('id', md5(n::text), 'text', repeat(md5(n::text), 20))
FROM generate_series(1, 4000) AS n;
INSERT INTO external_id SELECT '_sample' || n % 4, 'default', 'User', md5(n::text), md5(n::text)
FROM generate_series(1, 4000) AS n;
INSERT INTO unique_value SELECT '_sample' || n % 4, 'urn:sample:number', md5(n::text), md5(n::text)
FROM generate_series(1, 4000) AS n;
INSERT INTO indexed_value SELECT '_sample' || n % 4, 'User', 'emails.value', md5(n::text), md5(n::text), 0
FROM generate_series(1, 4000) AS n;
INSERT INTO membership SELECT '_sample' || n % 4, md5((n % 400 / 10)::text), md5(n::text), 'User'
FROM generate_series(1, 4000) AS n;
INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id)
SELECT '_sample' || n % 4, 'User', md5(n::text), 1, 'create', md5(n::text), 'sample', md5(n::text)
FROM generate_series(1, 4000) AS n;

ANALYZE resource, external_id, unique_value, indexed_value, membership, change;

DELETE FROM resource WHERE tenant LIKE '\_sample%';
DELETE FROM external_id WHERE tenant LIKE '\_sample%';
DELETE FROM unique_value WHERE tenant LIKE '\_sample%';
DELETE FROM indexed_value WHERE tenant LIKE '\_sample%';
DELETE FROM membership WHERE tenant LIKE '\_sample%';
DELETE FROM change WHERE tenant LIKE '\_sample%';
