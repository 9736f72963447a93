-- recsql.settings -> TABLE
-- One row is a setting; UPDATE its value, the next statement obeys.
CREATE TABLE IF NOT EXISTS recsql.settings (
    name VARCHAR PRIMARY KEY,
    value VARCHAR,
    meaning VARCHAR NOT NULL
);
