-- recsql.artifacts -> TABLE
-- One row is a stored array file (npz without pickle) of a model.
CREATE TABLE IF NOT EXISTS recsql.artifacts (
    model_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL,
    bytes BLOB,
    uri VARCHAR
);
