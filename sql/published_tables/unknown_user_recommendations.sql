-- recsql.unknown_user_recommendations -> TABLE
-- One row is a recommendation for every customer without rows in recsql.user_recommendations.
CREATE OR REPLACE TABLE recsql.unknown_user_recommendations (
    task VARCHAR NOT NULL,
    rank INTEGER NOT NULL,
    item_id {{item_id_type}} NOT NULL,
    score DOUBLE NOT NULL,
    model VARCHAR NOT NULL
);
