-- recsql.baseline -> TABLE
-- One row is an item or a customer as they were when models last competed: what drift is measured
-- from. bin: 1 (those that sell or buy most) to 10, each with a tenth of the transactions.
CREATE OR REPLACE TABLE recsql.baseline (
    kind VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    transactions BIGINT NOT NULL,
    bin INTEGER NOT NULL
);
