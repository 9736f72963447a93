-- recsql.runs -> TABLE
-- One row is a run of train or refresh: why, how long, what changed.
CREATE TABLE IF NOT EXISTS recsql.runs (
    run_id VARCHAR PRIMARY KEY,
    statement VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    seconds DOUBLE NOT NULL,
    changes JSON NOT NULL
);
