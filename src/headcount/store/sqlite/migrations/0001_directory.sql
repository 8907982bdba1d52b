-- One installation. Every key begins with the tenant, and no statement crosses tenants.

CREATE TABLE installation (
    key BLOB NOT NULL,              -- 32 random bytes, made by the first migration
    created TEXT NOT NULL
);

-- A resource: the wire document without derived values, and beside it the compare document that searches read.
CREATE TABLE resource (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,             -- the name of the resource type
    id TEXT NOT NULL,               -- UUIDv7: new rows are neighbours
    version INTEGER NOT NULL,
    created TEXT NOT NULL,          -- instants are UTC text of fixed width
    modified TEXT NOT NULL,
    label TEXT NOT NULL,            -- what a reference to it displays
    folded_label TEXT NOT NULL,
    manager TEXT,
    user_name TEXT,                 -- folded, as are display_name and title
    display_name TEXT,
    title TEXT,
    active INTEGER,
    member_count INTEGER NOT NULL DEFAULT 0,
    document BLOB NOT NULL,
    compare TEXT NOT NULL,
    private BLOB                    -- attributes that are never returned
);
CREATE UNIQUE INDEX resource_id ON resource (tenant, type, id);
CREATE UNIQUE INDEX resource_user_name ON resource (tenant, type, user_name);
CREATE INDEX resource_display_name ON resource (tenant, type, display_name, id);
CREATE INDEX resource_title ON resource (tenant, type, title, id);
CREATE INDEX resource_active ON resource (tenant, type, active, id);
CREATE INDEX resource_modified ON resource (tenant, type, modified, id);

-- externalId belongs to a connection (RFC 7643 §3.1) and is not unique.
CREATE TABLE external_id (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, connection, type, value, id)
) WITHOUT ROWID;
CREATE INDEX external_id_resource ON external_id (tenant, type, id);

-- Values of attributes with uniqueness server or global, userName apart.
CREATE TABLE unique_value (
    tenant TEXT NOT NULL,
    attribute TEXT NOT NULL,        -- qualified path
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, attribute, value)
) WITHOUT ROWID;
CREATE INDEX unique_value_resource ON unique_value (tenant, id);

-- Values of multi-valued and declared indexed attributes.
CREATE TABLE indexed_value (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    element INTEGER NOT NULL,       -- which value of the attribute it is
    PRIMARY KEY (tenant, type, path, value, id, element)
) WITHOUT ROWID;
CREATE INDEX indexed_value_resource ON indexed_value (tenant, type, id);

CREATE TABLE membership (
    tenant TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    member_type TEXT NOT NULL,
    PRIMARY KEY (tenant, group_id, member_id)
) WITHOUT ROWID;
CREATE INDEX membership_member ON membership (tenant, member_id, group_id);

-- Totals of unfiltered lists by resource type, and `nested`: memberships whose member is a group.
CREATE TABLE counter (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

-- Change log, outbox and audit of accepted writes, written in the transaction of the change.
CREATE TABLE change (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    position INTEGER,               -- given after commit by the sequencer
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- create, update, delete
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    before BLOB,
    after BLOB,
    added TEXT,                     -- JSON arrays of member ids
    removed TEXT
);
CREATE INDEX change_tenant ON change (tenant, sequence);

-- Keyed records of other rooms, such as a tenant's schemas.
CREATE TABLE record (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) WITHOUT ROWID;
