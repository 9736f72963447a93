-- recsql.item_scores -> TABLE
-- One row is an item that was bought: its counts and its trend, sorted by item_id.
-- trend_rank and trend_score are NULL for items that are not available or hardly sold (setting
-- trend_least_transactions), and where there is no real time.
CREATE OR REPLACE TABLE recsql.item_scores (
    item_id {{item_id_type}} NOT NULL,
    transactions BIGINT NOT NULL,
    users BIGINT NOT NULL,
    baskets BIGINT NOT NULL,
    available BOOLEAN NOT NULL,
    trend_z DOUBLE,
    trend_score DOUBLE,
    trend_acceleration DOUBLE,
    trend_rank BIGINT
);
