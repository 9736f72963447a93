-- recsql.similar_users -> TABLE
-- One row is one of those most like a customer, sorted by user_id and rank.
CREATE OR REPLACE TABLE recsql.similar_users (
    user_id {{user_id_type}} NOT NULL,
    rank INTEGER NOT NULL,
    other_user_id {{user_id_type}} NOT NULL,
    similarity DOUBLE NOT NULL
);
