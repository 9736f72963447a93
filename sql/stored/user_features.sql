-- recsql.user_features -> TABLE
-- One row is an attribute value of a customer (a bin of it, where it is numeric): the user
-- inverted index, sorted by user_id. shared_by counts the customers with the same value.
CREATE OR REPLACE TABLE recsql.user_features (
    user_id {{user_id_type}} NOT NULL,
    attribute VARCHAR NOT NULL,
    feature VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    shared_by BIGINT NOT NULL,
    private BOOLEAN NOT NULL
);
