-- popular(k := 10, days := 30) -> TABLE
-- The k items bought most in the last days, by the strength of their events.
--
-- Where the interactions have no real time (ts is not bound, or an integer), days is NULL by
-- itself and everything counts. The answer is as of the last CALL recsql.train() or
-- recsql.refresh().
--
-- Needs    task popular
-- Args     k     BIGINT  rows wanted, >= 1
--          days  BIGINT  whole days that end with the present day, >= 1; NULL: everything, rows
--                        without a time too
-- Returns  rank          BIGINT  1 is best; ties go to the smaller item_id
--          item_id       ITEM    an available item
--          score         DOUBLE  sum of the weights of the events (recsql.event_weights)
--          transactions  BIGINT  number of the events
-- Empty    when nothing available was bought in these days
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (popular)
CREATE OR REPLACE MACRO {{prefix}}popular(k := 10, days := {{popular_days}}) AS TABLE
SELECT
    answer._rank AS rank,
    answer._item AS item_id,
    answer._score AS score,
    answer._transactions AS transactions
FROM (
    SELECT
        row_number() OVER (ORDER BY counted._score DESC, counted._item) AS _rank,
        counted._item,
        counted._score,
        counted._transactions
    FROM (
        SELECT
            stored._item,
            sum(stored._strength)::DOUBLE AS _score,
            sum(stored._transactions)::BIGINT AS _transactions
        FROM (
            SELECT
                d.day AS _day,
                d.item_id AS _item,
                d.strength AS _strength,
                d.transactions AS _transactions
            FROM recsql.item_days AS d
        ) AS stored
        JOIN (SELECT t.today AS _today FROM recsql.totals AS t) AS present
            ON days IS NULL
            OR (stored._day > present._today - days AND stored._day <= present._today)
        JOIN (
            SELECT s.item_id AS _item FROM recsql.item_scores AS s WHERE s.available
        ) AS offered ON offered._item = stored._item
        GROUP BY stored._item
    ) AS counted
    QUALIFY _rank <= k
    UNION ALL
    SELECT NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN k IS NULL OR k < 1
            THEN error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
        WHEN days < 1
            THEN error(format('days must be at least 1, got {}. NULL counts everything.', days))
        WHEN days IS NOT NULL AND NOT {{real_time}} THEN error(format(
            'days must be NULL where the interactions have no real time, got {}. '
            'Leave it out, or bind ts to a date or timestamp.',
            days
        ))
        ELSE false
    END
) AS answer
ORDER BY answer._rank;
