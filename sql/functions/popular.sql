-- popular(k := 10, days := 30, half_life_days := NULL) -> TABLE
-- The k items bought most in the last days, by the strength of their events.
--
-- Left out, days and half_life_days are those that did best at the last CALL recsql.train() of the
-- task. Where the interactions have no real time (ts is not bound, or an integer), both are NULL by
-- themselves and everything counts. The answer is as of the last CALL recsql.train() or
-- recsql.refresh().
--
-- Needs    task popular
-- Args     k     BIGINT  rows wanted, >= 1
--          days  BIGINT  whole days that end with the present day, >= 1; NULL: everything, rows
--                        without a time too
--          half_life_days  DOUBLE  an event counts half for each half-life of its age, > 0;
--                                  without a time it does not count. NULL: all ages alike
-- Returns  rank          BIGINT  1 is best; ties go to the smaller item_id
--          item_id       ITEM    an available item
--          score         DOUBLE  sum of the weights of the events (recsql.event_weights), less with age
--          transactions  BIGINT  number of the events
-- Empty    when nothing available was bought in these days
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (popular)
CREATE OR REPLACE MACRO {{prefix}}popular(
    k := 10, days := {{popular_days}}, half_life_days := {{popular_half_life}}
) AS TABLE
SELECT
    answer._our_rank AS rank,
    answer._our_item AS item_id,
    answer._our_score AS score,
    answer._our_transactions AS transactions
FROM (
    SELECT
        row_number() OVER (ORDER BY _our_counted._our_score DESC, _our_counted._our_item)
            AS _our_rank,
        _our_counted._our_item,
        _our_counted._our_score,
        _our_counted._our_transactions
    FROM (
        SELECT
            _our_stored._our_item,
            sum(CASE
                WHEN half_life_days IS NULL THEN _our_stored._our_strength
                ELSE _our_stored._our_strength
                    * pow(0.5, (_our_present._our_today - _our_stored._our_day) / half_life_days)
            END)::DOUBLE AS _our_score,
            sum(_our_stored._our_transactions)::BIGINT AS _our_transactions
        FROM (
            SELECT
                d.day AS _our_day,
                d.item_id AS _our_item,
                d.strength AS _our_strength,
                d.transactions AS _our_transactions
            FROM recsql.item_days AS d
        ) AS _our_stored
        JOIN (SELECT t.today AS _our_today FROM recsql.totals AS t) AS _our_present
            ON (
                days IS NULL OR (
                    _our_stored._our_day > _our_present._our_today - days
                    AND _our_stored._our_day <= _our_present._our_today
                )
            )
            AND (half_life_days IS NULL OR _our_stored._our_day <= _our_present._our_today)
        JOIN (
            SELECT s.item_id AS _our_item FROM recsql.item_scores AS s WHERE s.available
        ) AS offered ON offered._our_item = _our_stored._our_item
        GROUP BY _our_stored._our_item
    ) AS _our_counted
    QUALIFY _our_rank <= k
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
        WHEN half_life_days <= 0 OR isnan(half_life_days::DOUBLE) THEN error(format(
            'half_life_days must be above 0, got {}. NULL counts all ages alike.', half_life_days
        ))
        WHEN half_life_days IS NOT NULL AND NOT {{real_time}} THEN error(format(
            'half_life_days must be NULL where the interactions have no real time, got {}. '
            'Leave it out, or bind ts to a date or timestamp.',
            half_life_days
        ))
        ELSE false
    END
) AS answer
ORDER BY answer._our_rank;
