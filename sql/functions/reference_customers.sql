-- reference_customers(user_id, item_id, k := 5, weighting := 'rarity') -> TABLE
-- The k customers most like this one who bought an item: references for a sales talk.
--
-- Buyers are read live from the bound interactions: a row counts unless its quantity or the
-- weight of its event is 0 or less, or it is later than the setting now. Attributes are those of
-- the last CALL of bind_users, train or refresh. A number matches by quantile bin (setting
-- quantile_bins), a list element by element, anything else as text. Private attributes neither
-- match nor show. Buyers who match in nothing come last.
--
-- Needs    interactions, users
-- Args     user_id    USER     the customer to convince; one without attributes matches nobody
--          item_id    ITEM     the item
--          k          BIGINT   rows wanted, >= 1
--          weighting  VARCHAR  'rarity': a value counts ln(1 + customers / customers who have it);
--                              'count': every value counts 1
-- Returns  rank         BIGINT   1 is best; ties: latest purchase, then smaller user_id
--          user_id      USER     never the customer who is asked for
--          match_score  DOUBLE   share of the asking customer's values that match, 0 to 1
--          matches      MAP(VARCHAR, VARCHAR)  attribute and the value or range that both have
--          attributes   MAP(VARCHAR, VARCHAR)  attribute and the reference customer's own value
--          bought_at    TIMESTAMP  latest purchase, in UTC; NULL without real time
-- Empty    when the item is unknown or no other known customer bought it
-- Published  identical: by the attributes that were included, and what customers had bought when
--            the file was written
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, Reference Customer
--          (product and user inverted indices); 'rarity' is the inverse document frequency of
--          text search
CREATE OR REPLACE MACRO {{prefix}}reference_customers(user_id, item_id, k := 5, weighting := 'rarity') AS TABLE
SELECT
    answer._our_rank AS rank,
    answer._our_user AS user_id,
    answer._our_score AS match_score,
    answer._our_matches AS matches,
    answer._our_attributes AS attributes,
    answer._our_bought_at AS bought_at
FROM (
    WITH buyer AS (
        SELECT
            _our_line._our_user,
            max(_our_line._our_ts) AS _our_last,
            max(_our_line._our_bought_at) AS _our_bought_at
        FROM (
            SELECT
                i.user_id AS _our_user,
                i.item_id AS _our_item,
                i.ts AS _our_ts,
                i.event AS _our_event,
                i.quantity AS _our_quantity,
                {{bought_at}} AS _our_bought_at
            FROM recsql.interactions AS i
        ) AS _our_line
        WHERE _our_line._our_item = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
            AND _our_line._our_user IS NOT NULL
            AND _our_line._our_user IS DISTINCT FROM TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
            AND coalesce(_our_line._our_quantity, 1) > 0
            AND coalesce(_our_line._our_event, '') NOT IN (
                SELECT w.event FROM recsql.event_weights AS w WHERE w.weight <= 0
            )
            AND NOT coalesce(_our_line._our_bought_at > (
                SELECT TRY_CAST(s.value AS TIMESTAMP) FROM recsql.settings AS s WHERE s.name = 'now'
            ), false)
        GROUP BY _our_line._our_user
    ),
    _our_feature AS (
        SELECT
            f.user_id AS _our_user,
            f.attribute AS _our_attribute,
            f.feature AS _our_feature,
            f.matched_value AS _our_matched_value,
            f.own_value AS _our_own_value,
            f.rarity AS _our_rarity
        FROM recsql.user_features AS f
    ),
    asked AS (
        SELECT
            weighed._our_attribute,
            weighed._our_feature,
            weighed._our_weight,
            sum(weighed._our_weight) OVER () AS _our_total
        FROM (
            SELECT
                _our_feature._our_attribute,
                _our_feature._our_feature,
                CASE weighting WHEN 'count' THEN 1 ELSE _our_feature._our_rarity END AS _our_weight
            FROM _our_feature
            WHERE _our_feature._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        ) AS weighed
    ),
    ranked AS (
        SELECT
            _our_scored._our_user,
            _our_scored._our_score,
            _our_scored._our_bought_at,
            row_number() OVER (
                ORDER BY
                    _our_scored._our_score DESC,
                    _our_scored._our_last DESC NULLS LAST,
                    _our_scored._our_user
            ) AS _our_rank
        FROM (
            SELECT
                buyer._our_user,
                any_value(buyer._our_last) AS _our_last,
                any_value(buyer._our_bought_at) AS _our_bought_at,
                -- Weights are decimals: their sums are exact, so that ties are ties in every run.
                coalesce(sum(asked._our_weight)::DOUBLE / any_value(asked._our_total)::DOUBLE, 0)
                    AS _our_score
            FROM buyer
            LEFT JOIN _our_feature ON _our_feature._our_user = buyer._our_user
            LEFT JOIN asked
                ON asked._our_attribute = _our_feature._our_attribute
                AND asked._our_feature = _our_feature._our_feature
            GROUP BY buyer._our_user
        ) AS _our_scored
        QUALIFY _our_rank <= k
    ),
    attribute AS (
        SELECT
            ranked._our_user,
            _our_feature._our_attribute,
            string_agg(_our_feature._our_own_value, ', ' ORDER BY _our_feature._our_feature)
                AS _our_own_value,
            string_agg(_our_feature._our_matched_value, ', ' ORDER BY _our_feature._our_feature)
                FILTER (asked._our_feature IS NOT NULL) AS _our_matched_value
        FROM ranked
        JOIN _our_feature ON _our_feature._our_user = ranked._our_user
        LEFT JOIN asked
            ON asked._our_attribute = _our_feature._our_attribute
            AND asked._our_feature = _our_feature._our_feature
        GROUP BY ranked._our_user, _our_feature._our_attribute
    ),
    described AS (
        SELECT
            attribute._our_user,
            list({'name': attribute._our_attribute, 'value': attribute._our_own_value}
                ORDER BY attribute._our_attribute) AS _our_attributes,
            list({'name': attribute._our_attribute, 'value': attribute._our_matched_value}
                ORDER BY attribute._our_attribute)
                FILTER (attribute._our_matched_value IS NOT NULL) AS _our_matches
        FROM attribute
        GROUP BY attribute._our_user
    )
    SELECT
        ranked._our_rank,
        ranked._our_user,
        ranked._our_score,
        map_from_entries(coalesce(described._our_matches, [])) AS _our_matches,
        map_from_entries(coalesce(described._our_attributes, [])) AS _our_attributes,
        ranked._our_bought_at
    FROM ranked
    LEFT JOIN described ON described._our_user = ranked._our_user
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL
    WHERE CASE
        WHEN k IS NULL OR k < 1
            THEN error(format('k must be at least 1, got {}.', ifnull(k::VARCHAR, 'NULL')))
        WHEN weighting IS NULL OR weighting NOT IN ('rarity', 'count') THEN error(format(
            'weighting must be ''rarity'' or ''count'', got {}.',
            ifnull(format('''{}''', weighting), 'NULL')
        ))
        ELSE false
    END
) AS answer
ORDER BY answer._our_rank;
