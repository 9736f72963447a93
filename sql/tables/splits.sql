-- recsql.splits -> TABLE
-- One row is a test query of a task and protocol: what was shown and what was hidden.
-- Training uses everything before the cut.
CREATE TABLE IF NOT EXISTS recsql.splits (
    task VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    cut_at VARCHAR,
    train_groups BIGINT NOT NULL,
    test_queries BIGINT NOT NULL,
    seed BIGINT NOT NULL
);
