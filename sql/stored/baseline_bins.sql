-- recsql.baseline_bins -> TABLE
-- One row is the share of the newest fifth of the transactions, when models last competed, that fell
-- into a bin of recsql.baseline as it was before them; bin 0 is what was new then.
CREATE OR REPLACE TABLE recsql.baseline_bins (
    kind VARCHAR NOT NULL,
    bin INTEGER NOT NULL,
    share DOUBLE NOT NULL
);
