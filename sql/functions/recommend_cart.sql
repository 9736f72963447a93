-- recommend_cart(items, k := 10, task := 'bundle') -> TABLE
-- The k items that go best with a whole cart: the stored neighbours of its items, added up.
--
-- Neighbours beyond the stored depth add nothing. The stored answers are as of the last CALL
-- recsql.train() or recsql.refresh().
--
-- Needs    scores
-- Args     items  ITEM[]   the cart; an item counts once, NULL and unknown ids do not count
--          k      BIGINT   rows wanted, >= 1
--          task   VARCHAR  'bundle' (same basket) or 'related' (same customer)
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item, never one of the cart
--          score    DOUBLE   sum of the stored scores / items of the cart that have neighbours
--          support  BIGINT   sum of the stored supports
--          model    VARCHAR  algorithm that answered
-- Empty    when no item of the cart has a stored neighbour outside of the cart
-- Published  identical
-- Source   Linden, Smith and York, IEEE Internet Computing 7(1), 2003: the items similar to each
--          of the customer's items are found and aggregated; here by the mean of the scores
CREATE OR REPLACE MACRO {{prefix}}recommend_cart(items, k := 10, task := 'bundle') AS TABLE
SELECT
    answer._our_rank AS rank,
    answer._our_other AS item_id,
    answer._our_score AS score,
    answer._our_support AS support,
    CASE answer._our_task WHEN 'bundle' THEN {{bundle_model}} ELSE {{related_model}} END AS model
FROM (
    SELECT
        row_number() OVER (ORDER BY _our_added._our_score DESC, _our_added._our_other) AS _our_rank,
        _our_added._our_other,
        _our_added._our_score,
        _our_added._our_support,
        _our_added._our_task
    FROM (
        SELECT
            matched._our_other,
            -- Sorted, so that the sum is the same in every run.
            list_sum(list_sort(list(matched._our_score))) / any_value(matched._our_n_known)
                AS _our_score,
            sum(matched._our_support)::BIGINT AS _our_support,
            any_value(matched._our_task) AS _our_task
        FROM (
            SELECT
                _our_cart._our_ids,
                _our_stored._our_task,
                _our_stored._our_other,
                _our_stored._our_score,
                _our_stored._our_support,
                sum(CASE _our_stored._our_rank WHEN 1 THEN 1 ELSE 0 END) OVER () AS _our_n_known
            FROM (
                SELECT unnest(given._our_ids) AS _our_id, given._our_ids
                FROM (
                    SELECT
                        list_distinct(TRY_CAST(items::VARCHAR[] AS {{item_id_type}}[])) AS _our_ids
                ) AS given
            ) AS _our_cart
            JOIN (
                SELECT
                    t.task AS _our_task,
                    t.item_id AS _our_key,
                    t.rank AS _our_rank,
                    t.other_item_id AS _our_other,
                    t.score AS _our_score,
                    t.support AS _our_support
                FROM recsql.top_items AS t
            ) AS _our_stored ON _our_stored._our_key = _our_cart._our_id
            WHERE _our_stored._our_task = task
        ) AS matched
        WHERE NOT list_contains(matched._our_ids, matched._our_other)
        GROUP BY matched._our_other
    ) AS _our_added
    QUALIFY _our_rank <= k
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN k IS NULL OR k < 1
            THEN error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
        WHEN task IS NULL OR task NOT IN ('bundle', 'related') THEN error(format(
            'task must be ''bundle'' or ''related'', got {}.', ifnull(format('''{}''', task), 'NULL')
        ))
        WHEN CASE task WHEN 'bundle' THEN {{bundle_model}} ELSE {{related_model}} END = ''
            THEN error(format(
                'The task {0} must be trained first. CALL recsql.train(task := ''{0}'').', task
            ))
        ELSE false
    END
) AS answer
ORDER BY answer._our_rank;
