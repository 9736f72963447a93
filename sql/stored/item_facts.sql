-- recsql.item_facts -> TABLE
-- One row is a fact that joins an item to a thing, of the model kgat while it serves for_you, sorted
-- by item_id, attribute and thing. thing is an entity or, where is_item, the id of another item; fact
-- says in words how it is joined; attribute, in lowercase, is the one that the thing is a value of, ''
-- for recsql.knowledge. attention is the share of the item's attention that goes there, attention_back
-- the share of the thing's that comes here; both 0 to 1.
CREATE OR REPLACE TABLE recsql.item_facts (
    item_id {{item_id_type}} NOT NULL,
    thing VARCHAR NOT NULL,
    is_item BOOLEAN NOT NULL,
    fact VARCHAR NOT NULL,
    attribute VARCHAR NOT NULL,
    attention DOUBLE NOT NULL,
    attention_back DOUBLE NOT NULL
);
