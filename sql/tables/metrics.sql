-- recsql.metrics -> TABLE
-- One row is a measured metric of a model, with the interval that holds 95% of resamples.
-- part: 'validation' is what decides, 'test' is reported once, 'cost' is what the model took.
-- place: where the value lies on the fixed scale of the metric, from 0 to 1; mean over the queries.
CREATE TABLE IF NOT EXISTS recsql.metrics (
    model_id VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    k INTEGER NOT NULL,
    value DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    n_queries BIGINT NOT NULL,
    place DOUBLE
);
