-- due(from_date, to_date, min_probability := 0.1) -> TABLE
-- Everything that any customer is due to buy again from a day to a day, both included.
--
-- What everyone has bought is read at the call, as of the latest day of the data (setting now); the
-- model is that of recommend_repeat.
--
-- Needs    task repeat
-- Args     from_date        DATE    first day
--          to_date          DATE    last day
--          min_probability  DOUBLE  what is less likely within 30 days is left out, 0 to 1
-- Returns  rank          BIGINT  by day, then the likeliest first; ties to the smaller user_id and item_id
--          user_id       USER    the customer
--          item_id       ITEM    an available item that the customer has bought
--          due_on        DATE    day by which the next purchase is as likely to have come as not,
--                                if it comes
--          due_low       DATE    8 of 10 next purchases come from this day
--          due_high      DATE    to this day
--          probability   DOUBLE  of a purchase within 30 days of the present, 0 to 1
--          last_bought   DATE    day of the last purchase
--          times_bought  BIGINT  different days on which it was bought
--          quantity      DOUBLE  mean quantity of these days
-- Empty    when nothing is due
-- Published  materialized: as of the present when the file was written
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.1 (repeat purchase)
CREATE OR REPLACE MACRO {{prefix}}due(from_date, to_date, min_probability := 0.1) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.user_id AS {{user_id_type}}) AS user_id,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.due_on AS due_on,
    _our_answer._our_row.due_low AS due_low,
    _our_answer._our_row.due_high AS due_high,
    _our_answer._our_row.probability AS probability,
    _our_answer._our_row.last_bought AS last_bought,
    _our_answer._our_row.times_bought AS times_bought,
    _our_answer._our_row.quantity AS quantity
FROM (
    SELECT unnest(_recsql_runtime_due(
        date_diff('day', DATE '1970-01-01', from_date::DATE),
        date_diff('day', DATE '1970-01-01', to_date::DATE),
        min_probability::DOUBLE
    )) AS _our_row
) AS _our_answer;
