-- recsql.top_items -> TABLE
-- One row is a stored neighbour of an item, sorted by task, item_id and rank.
CREATE OR REPLACE TABLE recsql.top_items (
    task VARCHAR NOT NULL,
    item_id {{item_id_type}} NOT NULL,
    rank INTEGER NOT NULL,
    other_item_id {{item_id_type}} NOT NULL,
    score DOUBLE NOT NULL,
    support BIGINT NOT NULL
);
