-- The functions of lists for a customer, over the lists that were stored when the file was written:
-- those of customers known then, and the one of everyone else.
CREATE OR REPLACE MACRO {{prefix}}{{name}}({{signature}}) AS TABLE
SELECT
    answer._our_rank::BIGINT AS rank,
    answer._our_item AS item_id,
    answer._our_score AS score,
    answer._our_model AS model
FROM (
    SELECT
        _our_stored._our_rank,
        _our_stored._our_item,
        _our_stored._our_score,
        _our_stored._our_model
    FROM recsql.user_recommendations
        AS _our_stored(_our_task, _our_user, _our_rank, _our_item, _our_score, _our_model)
    WHERE _our_stored._our_task = '{{task}}'
        AND _our_stored._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        AND _our_stored._our_rank <= k
    UNION ALL
    SELECT
        _our_else._our_rank,
        _our_else._our_item,
        _our_else._our_score,
        _our_else._our_model
    FROM recsql.unknown_user_recommendations
        AS _our_else(_our_task, _our_rank, _our_item, _our_score, _our_model)
    WHERE _our_else._our_task = '{{task}}'
        AND _our_else._our_rank <= k
        AND NOT EXISTS (
            SELECT 1
            FROM recsql.user_recommendations
                AS _our_known(_our_task, _our_user, _our_rank, _our_item, _our_score, _our_model)
            WHERE _our_known._our_task = '{{task}}'
                AND _our_known._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        )
        AND NOT EXISTS (
            SELECT 1
            FROM recsql.users_without_recommendations AS _our_empty(_our_task, _our_user)
            WHERE _our_empty._our_task = '{{task}}'
                AND _our_empty._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        )
    UNION ALL
    SELECT NULL, NULL, NULL, NULL
    WHERE CASE
        {{refused}}
        WHEN k BETWEEN 1 AND {{published_k}} THEN false
        WHEN k >= 1 THEN error(format(
            'k must be at most {{published_k}}, which this file holds, got {0}. '
            'CALL recsql.publish(…, k := {0}) where the file is written.',
            k
        ))
        ELSE error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
    END
) AS answer;
