-- recommend_bundle(item_id, k := 10) -> TABLE
-- The k items that go with an item by what was bought in one basket.
--
-- The answer is stored: it is as of the last CALL recsql.train() or recsql.refresh().
--
-- Needs    task bundle
-- Args     item_id  ITEM    the item
--          k        BIGINT  rows wanted, from 1 to the stored depth
-- Returns  rank     BIGINT   1 is best; ties go to the smaller item_id
--          item_id  ITEM     an available item, never the one asked for
--          score    DOUBLE   by the model, above 0
--          support  BIGINT   baskets that hold both
--          model    VARCHAR  algorithm that answered
-- Empty    when the item is unknown, or no available item was in a basket with it
-- Published  identical
-- Source   A Unified Recommendation Framework for Zoho CRM, sections 2.1 (bundle) and 2.2
--          (transaction co-purchase matrix)
CREATE OR REPLACE MACRO {{prefix}}recommend_bundle(item_id, k := 10) AS TABLE
SELECT
    answer._our_rank::BIGINT AS rank,
    answer._our_other AS item_id,
    answer._our_score AS score,
    answer._our_support AS support,
    {{bundle_model}} AS model
FROM (
    SELECT
        _our_stored._our_rank,
        _our_stored._our_other,
        _our_stored._our_score,
        _our_stored._our_support
    FROM recsql.top_items
        AS _our_stored(_our_task, _our_key, _our_rank, _our_other, _our_score, _our_support)
    WHERE _our_stored._our_task = 'bundle'
        AND _our_stored._our_key = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
        AND _our_stored._our_rank <= k
    UNION ALL
    -- A branch of its own, so that k is checked also where the item has no rows.
    SELECT NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN k BETWEEN 1 AND {{depth}} THEN false
        WHEN k >= 1 THEN error(format(
            'k must be at most {{depth}}, the stored depth, got {0}. UPDATE recsql.settings '
            'SET value = ''{0}'' WHERE name = ''stored_depth'', then CALL recsql.train().',
            k
        ))
        ELSE error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
    END
) AS answer;
