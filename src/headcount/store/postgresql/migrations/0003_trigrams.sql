-- Searches for a part of a name or an address use trigrams, where the extensions may be installed; everything works
-- without them, more slowly (`headcount doctor` says so).

DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;
    CREATE INDEX resource_display_name_trigram ON resource USING gin (tenant, type, display_name gin_trgm_ops)
        WITH (fastupdate = on) WHERE display_name IS NOT NULL;
    CREATE INDEX resource_user_name_trigram ON resource USING gin (tenant, type, user_name gin_trgm_ops)
        WITH (fastupdate = on) WHERE user_name IS NOT NULL;
    CREATE INDEX indexed_value_trigram ON indexed_value USING gin (tenant, type, path, value gin_trgm_ops)
        WITH (fastupdate = on);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
    RAISE NOTICE 'no trigram indexes: %', SQLERRM;
END $$;
