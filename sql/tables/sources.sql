-- recsql.sources -> TABLE
-- One row is a bound source: what was asked for, the view it became and the types it had then.
CREATE TABLE IF NOT EXISTS recsql.sources (
    source VARCHAR PRIMARY KEY,
    relation VARCHAR NOT NULL,
    arguments JSON NOT NULL,
    definition VARCHAR NOT NULL,
    column_types JSON NOT NULL,
    private VARCHAR[] NOT NULL,
    bound_at TIMESTAMP NOT NULL
);
