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
-- Source   Linden, Smith and York, IEEE Internet Computing 7(1), 2003: the items similar to each
--          of the customer's items are found and aggregated; here by the mean of the scores
CREATE OR REPLACE MACRO {{prefix}}recommend_cart(items, k := 10, task := 'bundle') AS TABLE
SELECT
    answer._rank AS rank,
    answer._other AS item_id,
    answer._score AS score,
    answer._support AS support,
    CASE answer._task WHEN 'bundle' THEN {{bundle_model}} ELSE {{related_model}} END AS model
FROM (
    SELECT
        row_number() OVER (ORDER BY added._score DESC, added._other) AS _rank,
        added._other,
        added._score,
        added._support,
        added._task
    FROM (
        SELECT
            matched._other,
            -- Sorted, so that the sum is the same in every run.
            list_sum(list_sort(list(matched._score))) / any_value(matched._n_known) AS _score,
            sum(matched._support)::BIGINT AS _support,
            any_value(matched._task) AS _task
        FROM (
            SELECT
                cart._ids,
                stored._task,
                stored._other,
                stored._score,
                stored._support,
                sum(CASE stored._rank WHEN 1 THEN 1 ELSE 0 END) OVER () AS _n_known
            FROM (
                SELECT unnest(given._ids) AS _id, given._ids
                FROM (
                    SELECT
                        list_distinct(TRY_CAST(items::VARCHAR[] AS {{item_id_type}}[])) AS _ids
                ) AS given
            ) AS cart
            JOIN (
                SELECT
                    t.task AS _task,
                    t.item_id AS _key,
                    t.rank AS _rank,
                    t.other_item_id AS _other,
                    t.score AS _score,
                    t.support AS _support
                FROM recsql.top_items AS t
            ) AS stored ON stored._key = cart._id
            WHERE stored._task = task
        ) AS matched
        WHERE NOT list_contains(matched._ids, matched._other)
        GROUP BY matched._other
    ) AS added
    QUALIFY _rank <= k
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
ORDER BY answer._rank;
