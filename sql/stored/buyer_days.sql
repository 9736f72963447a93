-- recsql.buyer_days -> TABLE
-- One row is a buyer and a day, with the fingerprint of the rows: by it refresh finds, within the
-- days that changed, whose purchases did. Sorted by day.
CREATE OR REPLACE TABLE recsql.buyer_days (
    user_id {{user_id_type}},
    basket_id {{basket_id_type}},
    day BIGINT,
    transactions BIGINT NOT NULL,
    fingerprint UBIGINT NOT NULL
);
