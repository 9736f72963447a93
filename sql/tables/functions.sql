-- recsql.functions -> TABLE
-- One row is a SQL function that recsql wrote, with the text it wrote last.
CREATE TABLE IF NOT EXISTS recsql.functions (
    name VARCHAR PRIMARY KEY,
    schema_name VARCHAR NOT NULL,
    is_table BOOLEAN NOT NULL,
    definition VARCHAR NOT NULL
);
