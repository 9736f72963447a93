-- recsql.user_features -> TABLE
-- One row is an attribute value of a customer: the user inverted index, sorted by user_id,
-- attribute and feature. Customers match where attribute and feature are equal: feature is the
-- value, an element of a list, or the number of the quantile bin of a number. matched_value is
-- the feature in words, own_value what the customer has, shared_by how many customers have the
-- feature, rarity ln(1 + customers / shared_by). Private attributes are not stored.
CREATE OR REPLACE TABLE recsql.user_features (
    user_id {{user_id_type}} NOT NULL,
    attribute VARCHAR NOT NULL,
    feature VARCHAR NOT NULL,
    matched_value VARCHAR NOT NULL,
    own_value VARCHAR NOT NULL,
    shared_by BIGINT NOT NULL,
    rarity DECIMAL(18, 9) NOT NULL
);
