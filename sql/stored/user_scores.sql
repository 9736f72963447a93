-- recsql.user_scores -> TABLE
-- One row is a customer who bought, sorted by user_id.
CREATE OR REPLACE TABLE recsql.user_scores (
    user_id {{user_id_type}} NOT NULL,
    transactions BIGINT NOT NULL
);
