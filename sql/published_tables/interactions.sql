-- recsql.interactions -> TABLE
-- One row is a customer and an item bought, with the time of the latest purchase, sorted by item_id.
CREATE OR REPLACE TABLE recsql.interactions (
    user_id {{user_id_type}} NOT NULL,
    item_id {{item_id_type}} NOT NULL,
    ts {{bought_ts_type}},
    event VARCHAR,
    quantity DOUBLE
);
