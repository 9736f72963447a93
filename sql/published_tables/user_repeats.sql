-- recsql.user_repeats -> TABLE
-- One row is an item that a customer will buy again, sorted by user_id and rank: the columns of
-- recommend_repeat.
CREATE OR REPLACE TABLE recsql.user_repeats (
    user_id {{user_id_type}} NOT NULL,
    rank BIGINT NOT NULL,
    item_id {{item_id_type}} NOT NULL,
    due_on DATE NOT NULL,
    due_low DATE NOT NULL,
    due_high DATE NOT NULL,
    probability DOUBLE NOT NULL,
    last_bought DATE NOT NULL,
    times_bought BIGINT NOT NULL,
    quantity DOUBLE NOT NULL
);
