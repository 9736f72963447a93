-- recsql.ranking_weights -> TABLE
-- One row weighs a metric in the score of a task; direction is 1 (more is better) or -1.
-- UPDATE it: recsql.leaderboard and the next training obey. CALL recsql.use_ranking writes presets.
CREATE TABLE IF NOT EXISTS recsql.ranking_weights (
    task VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    weight DOUBLE NOT NULL,
    direction INTEGER NOT NULL,
    PRIMARY KEY (task, metric)
);
