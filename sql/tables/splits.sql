-- recsql.splits -> TABLE
-- One row is an item that a test query of the latest training asks about, or that it has to find.
-- protocol: 'time' learns from what came before cut_at; 'paper' from all that is not hidden.
-- split: number of the cut, 0 is the newest. query: number of the query, counted from 0.
-- user_id: whose purchases they are; NULL for nobody's. role: 'asked' or 'hidden'.
-- What a customer had bought by then is in recsql.interactions.
CREATE TABLE IF NOT EXISTS recsql.splits (
    task VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    split INTEGER NOT NULL,
    query BIGINT NOT NULL,
    user_id VARCHAR,
    item_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    cut_at VARCHAR,
    seed BIGINT NOT NULL
);
