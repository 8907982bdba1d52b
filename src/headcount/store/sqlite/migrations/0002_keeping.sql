-- What other rooms keep beside resources, the order of the feed, and which connection made what.

CREATE TABLE entry (
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, collection, key)
) WITHOUT ROWID;

-- Logs: what was added later has a larger sequence.
CREATE TABLE line (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    log TEXT NOT NULL,
    at TEXT NOT NULL,
    key TEXT NOT NULL,              -- what it is found by; empty when by nothing
    value BLOB NOT NULL
);
CREATE INDEX line_log ON line (tenant, log, sequence);
CREATE INDEX line_key ON line (tenant, log, key, sequence) WHERE key <> '';
CREATE INDEX line_at ON line (tenant, log, at);

-- Queues. Of the tasks with one order key that are not parked, one is ready and the others are behind it, so that
-- whoever takes tasks reads no more of them than he takes, however many are put off or behind others.
CREATE TABLE task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    queue TEXT NOT NULL,
    order_key TEXT NOT NULL,        -- empty: in no order
    state TEXT NOT NULL,            -- ready, behind, parked
    due TEXT NOT NULL,              -- not taken before; of a task that is held, when its hold ends
    attempts INTEGER NOT NULL DEFAULT 0,
    held_by TEXT,
    reason TEXT NOT NULL DEFAULT '',
    value BLOB NOT NULL
);
CREATE INDEX task_due ON task (tenant, queue, due, id) WHERE state = 'ready';
CREATE INDEX task_order ON task (tenant, queue, order_key, state, id) WHERE order_key <> '';
CREATE INDEX task_parked ON task (tenant, queue, id) WHERE state = 'parked';

CREATE TABLE lease (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL,         -- milliseconds since 1970 by the clock of the database
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

-- Writers come one after the other here, so that the order of sequences is the order of commits: a row has its place in
-- the feed from the start. Rows that came from another database keep the position that they had there.
ALTER TABLE change ADD COLUMN connection TEXT NOT NULL DEFAULT 'default';
CREATE INDEX change_position ON change (tenant, coalesce(position, sequence), at);
CREATE INDEX change_resource ON change (tenant, id);
DROP INDEX change_tenant;           -- rows are read by position or by resource

-- Whose resource it is: the connection that created it.
ALTER TABLE resource ADD COLUMN connection TEXT NOT NULL DEFAULT 'default';

-- The value comes before the connection: it is looked for in one connection or in all.
CREATE TABLE external_id_by_value (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, type, value, connection, id)
) WITHOUT ROWID;
INSERT INTO external_id_by_value (tenant, connection, type, value, id)
SELECT tenant, connection, type, value, id FROM external_id ORDER BY tenant, type, value, connection, id;
DROP TABLE external_id;
ALTER TABLE external_id_by_value RENAME TO external_id;
CREATE INDEX external_id_resource ON external_id (tenant, type, id);
