-- recommend_repeat over what was stored when the file was written.
CREATE OR REPLACE MACRO {{prefix}}recommend_repeat({{signature}}) AS TABLE
SELECT
    answer._our_rank::BIGINT AS rank,
    answer._our_item AS item_id,
    answer._our_due AS due_on,
    answer._our_low AS due_low,
    answer._our_high AS due_high,
    answer._our_probability AS probability,
    answer._our_last AS last_bought,
    answer._our_times AS times_bought,
    answer._our_quantity AS quantity
FROM (
    SELECT
        _our_stored._our_rank,
        _our_stored._our_item,
        _our_stored._our_due,
        _our_stored._our_low,
        _our_stored._our_high,
        _our_stored._our_probability,
        _our_stored._our_last,
        _our_stored._our_times,
        _our_stored._our_quantity
    FROM recsql.user_repeats AS _our_stored(
        _our_user, _our_rank, _our_item, _our_due, _our_low, _our_high,
        _our_probability, _our_last, _our_times, _our_quantity
    )
    WHERE _our_stored._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        AND _our_stored._our_rank <= k
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    WHERE CASE
        {{refused}}
        WHEN k >= 1 THEN false
        ELSE error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
    END
) AS answer;
