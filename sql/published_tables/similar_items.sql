-- recsql.similar_items -> TABLE
-- One row is one of those most like an item, sorted by item_id and rank.
CREATE OR REPLACE TABLE recsql.similar_items (
    item_id {{item_id_type}} NOT NULL,
    rank INTEGER NOT NULL,
    other_item_id {{item_id_type}} NOT NULL,
    similarity DOUBLE NOT NULL
);
