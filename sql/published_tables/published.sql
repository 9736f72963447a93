-- recsql.published -> TABLE
-- One row is a function, how this file answers it ('identical', 'materialized', 'absent' or 'left
-- out') and what is to be known about the answer.
CREATE OR REPLACE TABLE recsql.published (
    function VARCHAR NOT NULL,
    answers VARCHAR NOT NULL,
    note VARCHAR
);
