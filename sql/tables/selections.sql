-- recsql.selections -> TABLE
-- One row is a decision between models.
CREATE TABLE IF NOT EXISTS recsql.selections (
    task VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    previous_model_id VARCHAR,
    score DOUBLE,
    margin DOUBLE,
    decided BOOLEAN NOT NULL,
    why VARCHAR NOT NULL,
    selected_at TIMESTAMP NOT NULL
);
