-- Entries found by an index of keys alone. Where whole entries stand in the tree that is searched, a search that comes by
-- a large one reads all of it: a block of the audit has hundreds of kilobytes.

CREATE TABLE entry_by_key (
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, collection, key)
);
INSERT INTO entry_by_key (tenant, collection, key, version, value)
SELECT tenant, collection, key, version, value FROM entry ORDER BY tenant, collection, key;
DROP TABLE entry;
ALTER TABLE entry_by_key RENAME TO entry;
