-- recsql.metrics -> TABLE
-- One row is a measured quality of a model, with the interval that holds 95% of resamples.
CREATE TABLE IF NOT EXISTS recsql.metrics (
    model_id VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    k INTEGER NOT NULL,
    value DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    n_queries BIGINT NOT NULL
);
