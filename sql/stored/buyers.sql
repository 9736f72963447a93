-- recsql.buyers -> TABLE
-- One row is a customer, or a basket without one: what was bought together, encoded.
-- baskets holds the codes of recsql.item_codes, basket_times the microseconds since 1970
-- (or the ordering integer) of each basket's first row.
CREATE OR REPLACE TABLE recsql.buyers (
    user_id {{user_id_type}},
    basket_id {{basket_id_type}},
    transactions BIGINT NOT NULL,
    baskets INTEGER[][] NOT NULL,
    basket_times BIGINT[] NOT NULL
);
