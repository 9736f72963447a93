-- recsql.users_without_recommendations -> TABLE
-- One row is a customer whose list was empty: they are not answered as somebody unknown.
CREATE OR REPLACE TABLE recsql.users_without_recommendations (
    task VARCHAR NOT NULL,
    user_id {{user_id_type}} NOT NULL
);
