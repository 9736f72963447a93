-- recsql.meta -> TABLE
-- One row: which version of the state this is and who wrote it.
CREATE TABLE IF NOT EXISTS recsql.meta (
    schema_version INTEGER NOT NULL,
    recsql_version VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL,
    prefix VARCHAR NOT NULL
);
