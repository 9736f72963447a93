-- recsql.days -> TABLE
-- One row is a day and the fingerprint of its rows: by it refresh finds the days that changed.
CREATE OR REPLACE TABLE recsql.days (
    day BIGINT,
    transactions BIGINT NOT NULL,
    fingerprint UBIGINT NOT NULL
);
