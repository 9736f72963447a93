-- similar_items and similar_users over what was stored when the file was written.
CREATE OR REPLACE MACRO {{prefix}}{{name}}({{signature}}) AS TABLE
SELECT
    answer._our_rank::BIGINT AS rank,
    answer._our_other AS {{what}}_id,
    answer._our_similarity AS similarity
FROM (
    SELECT _our_stored._our_rank, _our_stored._our_other, _our_stored._our_similarity
    FROM recsql.{{name}} AS _our_stored(_our_key, _our_rank, _our_other, _our_similarity)
    WHERE _our_stored._our_key = TRY_CAST({{what}}_id::VARCHAR AS {{what_type}})
        AND _our_stored._our_rank <= k
    UNION ALL
    SELECT NULL, NULL, NULL
    WHERE CASE
        WHEN k BETWEEN 1 AND {{published_k}} THEN false
        WHEN k >= 1 THEN error(format(
            'k must be at most {{published_k}}, which this file holds, got {0}. '
            'CALL recsql.publish(…, k := {0}) where the file is written.',
            k
        ))
        ELSE error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
    END
) AS answer;
