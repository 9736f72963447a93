-- recsql.models -> TABLE
-- One row is a trained model.
-- status: candidate, incumbent, retired, failed or skipped. Times depend on the machine.
CREATE TABLE IF NOT EXISTS recsql.models (
    model_id VARCHAR PRIMARY KEY,
    task VARCHAR NOT NULL,
    algorithm VARCHAR NOT NULL,
    params JSON NOT NULL,
    seed BIGINT NOT NULL,
    status VARCHAR NOT NULL,
    error VARCHAR,
    data_fingerprint VARCHAR,
    n_interactions BIGINT,
    n_users BIGINT,
    n_items BIGINT,
    trained_at TIMESTAMP NOT NULL,
    train_seconds DOUBLE,
    predict_microseconds DOUBLE,
    peak_memory_bytes BIGINT,
    size_bytes BIGINT,
    recsql_version VARCHAR NOT NULL
);
