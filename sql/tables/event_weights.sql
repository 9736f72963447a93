-- recsql.event_weights -> TABLE
-- One row is a kind of event and its strength; kinds without a row weigh 1.
-- A weight of 0 or less takes the kind out of the count-based models.
CREATE TABLE IF NOT EXISTS recsql.event_weights (
    event VARCHAR PRIMARY KEY,
    weight DECIMAL(18, 6) NOT NULL
);
