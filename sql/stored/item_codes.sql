-- recsql.item_codes -> TABLE
-- One row is an item ever seen and the code that recsql.buyers uses for it.
CREATE OR REPLACE TABLE recsql.item_codes (
    code INTEGER NOT NULL,
    item_id {{item_id_type}} NOT NULL
);
