-- recsql.publication -> TABLE
-- One row: when this file was written, in UTC, by which versions, and as of when the stored answers are.
CREATE OR REPLACE TABLE recsql.publication (
    published_at TIMESTAMP NOT NULL,
    stored_as_of TIMESTAMP,
    k INTEGER NOT NULL,
    included VARCHAR[] NOT NULL,
    recsql_version VARCHAR NOT NULL,
    duckdb_version VARCHAR NOT NULL
);
