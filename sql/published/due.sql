-- due over what was stored when the file was written.
CREATE OR REPLACE MACRO {{prefix}}due({{signature}}) AS TABLE
SELECT
    answer._our_rank AS rank,
    answer._our_user AS user_id,
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
        row_number() OVER (
            ORDER BY
                _our_stored._our_due,
                _our_stored._our_probability DESC,
                _our_stored._our_user,
                _our_stored._our_item
        ) AS _our_rank,
        _our_stored.*
    FROM recsql.user_repeats AS _our_stored(
        _our_user, _our_place, _our_item, _our_due, _our_low, _our_high,
        _our_probability, _our_last, _our_times, _our_quantity
    )
    WHERE _our_stored._our_due BETWEEN from_date::DATE AND to_date::DATE
        AND _our_stored._our_probability >= min_probability
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN from_date IS NULL OR to_date IS NULL
            THEN error('from_date and to_date must be dates, got NULL.')
        WHEN from_date::DATE > to_date::DATE THEN error(format(
            'from_date must not be after to_date, got {} and {}.',
            from_date::DATE::VARCHAR, to_date::DATE::VARCHAR
        ))
        WHEN min_probability BETWEEN 0 AND 1 THEN false
        ELSE error(format(
            'min_probability must be from 0 to 1, got {}.', ifnull(min_probability::VARCHAR, 'NULL')
        ))
    END
) AS answer
ORDER BY answer._our_rank;
