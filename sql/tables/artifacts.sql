-- recsql.artifacts -> TABLE
-- One row is a stored array file (npz without pickle) of a model. Not compressed: of compressed
-- bytes DuckDB reads those of all rows to give one.
CREATE TABLE IF NOT EXISTS recsql.artifacts (
    model_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL,
    bytes BLOB USING COMPRESSION uncompressed,
    uri VARCHAR
);
