-- recsql.item_days -> TABLE
-- One row is an item and a day (days since 1970, NULL without a time): its transactions.
CREATE OR REPLACE TABLE recsql.item_days (
    day BIGINT,
    item_id {{item_id_type}} NOT NULL,
    transactions BIGINT NOT NULL,
    strength DECIMAL(38, 6) NOT NULL
);
