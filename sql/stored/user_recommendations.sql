-- recsql.user_recommendations -> TABLE
-- One row is a stored recommendation of a user, sorted by task, user_id and rank, as of the last
-- CALL recsql.materialize(task); model is the algorithm that answered.
CREATE OR REPLACE TABLE recsql.user_recommendations (
    task VARCHAR NOT NULL,
    user_id {{user_id_type}} NOT NULL,
    rank INTEGER NOT NULL,
    item_id {{item_id_type}} NOT NULL,
    score DOUBLE NOT NULL,
    model VARCHAR NOT NULL
);
