-- recommend_repeat(user_id, k := 10, on_date := NULL) -> TABLE
-- The items that a customer will buy again, with the day on which each is due.
--
-- The model is as of the last CALL recsql.train(); what the customer has bought is read at the
-- call: a purchase inserted a moment ago counts. Ranked by the probability of a purchase within
-- 30 days.
--
-- Needs    task repeat
-- Args     user_id  USER    the customer
--          k        BIGINT  rows wanted, >= 1
--          on_date  DATE    the day of the question: later purchases do not count; NULL: the latest
--                           day of the data (setting now)
-- Returns  rank          BIGINT  1 is likeliest; ties go to the one due sooner, then the smaller item_id
--          item_id       ITEM    an available item that the customer has bought
--          due_on        DATE    day by which the next purchase is as likely to have come as not,
--                                if it comes
--          due_low       DATE    8 of 10 next purchases come from this day
--          due_high      DATE    to this day
--          probability   DOUBLE  of a purchase within 30 days of the question, 0 to 1
--          last_bought   DATE    day of the last purchase
--          times_bought  BIGINT  different days on which it was bought
--          quantity      DOUBLE  mean quantity of these days
-- Empty    for a customer without purchases
-- Published  materialized: as of the present when the file was written; on_date is not taken
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.2 (Recurrence Finder); Bhagat et
--          al., KDD 2018
CREATE OR REPLACE MACRO {{prefix}}recommend_repeat(user_id, k := 10, on_date := NULL) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.due_on AS due_on,
    _our_answer._our_row.due_low AS due_low,
    _our_answer._our_row.due_high AS due_high,
    _our_answer._our_row.probability AS probability,
    _our_answer._our_row.last_bought AS last_bought,
    _our_answer._our_row.times_bought AS times_bought,
    _our_answer._our_row.quantity AS quantity
FROM (
    SELECT unnest(_recsql_runtime_repeat(
        user_id::VARCHAR, k::BIGINT, date_diff('day', DATE '1970-01-01', on_date::DATE)
    )) AS _our_row
) AS _our_answer;
