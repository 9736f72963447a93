-- recsql.forgotten_users -> TABLE
-- One row is a customer whom recsql.forget_user took out of the views over your tables. removed_at
-- is NULL until the next refresh took them out of what models had learned.
CREATE TABLE IF NOT EXISTS recsql.forgotten_users (
    user_id VARCHAR PRIMARY KEY,
    forgotten_at TIMESTAMP NOT NULL,
    removed_at TIMESTAMP
);
