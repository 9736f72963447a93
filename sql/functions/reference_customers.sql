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
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.7, Reference Customer
--          (product and user inverted indices); 'rarity' is the inverse document frequency of
--          text search
CREATE OR REPLACE MACRO {{prefix}}reference_customers(user_id, item_id, k := 5, weighting := 'rarity') AS TABLE
SELECT
    answer._rank AS rank,
    answer._user AS user_id,
    answer._score AS match_score,
    answer._matches AS matches,
    answer._attributes AS attributes,
    answer._bought_at AS bought_at
FROM (
    WITH buyer AS (
        SELECT
            line._user,
            max(line._ts) AS _last,
            max(line._bought_at) AS _bought_at
        FROM (
            SELECT
                i.user_id AS _user,
                i.item_id AS _item,
                i.ts AS _ts,
                i.event AS _event,
                i.quantity AS _quantity,
                {{bought_at}} AS _bought_at
            FROM recsql.interactions AS i
        ) AS line
        WHERE line._item = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
            AND line._user IS NOT NULL
            AND line._user IS DISTINCT FROM TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
            AND coalesce(line._quantity, 1) > 0
            AND coalesce(line._event, '') NOT IN (
                SELECT w.event FROM recsql.event_weights AS w WHERE w.weight <= 0
            )
            AND NOT coalesce(line._bought_at > (
                SELECT TRY_CAST(s.value AS TIMESTAMP) FROM recsql.settings AS s WHERE s.name = 'now'
            ), false)
        GROUP BY line._user
    ),
    feature AS (
        SELECT
            f.user_id AS _user,
            f.attribute AS _attribute,
            f.feature AS _feature,
            f.matched_value AS _matched_value,
            f.own_value AS _own_value,
            f.rarity AS _rarity
        FROM recsql.user_features AS f
    ),
    asked AS (
        SELECT
            weighed._attribute,
            weighed._feature,
            weighed._weight,
            sum(weighed._weight) OVER () AS _total
        FROM (
            SELECT
                feature._attribute,
                feature._feature,
                CASE weighting WHEN 'count' THEN 1 ELSE feature._rarity END AS _weight
            FROM feature
            WHERE feature._user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
        ) AS weighed
    ),
    ranked AS (
        SELECT
            scored._user,
            scored._score,
            scored._bought_at,
            row_number() OVER (
                ORDER BY scored._score DESC, scored._last DESC NULLS LAST, scored._user
            ) AS _rank
        FROM (
            SELECT
                buyer._user,
                any_value(buyer._last) AS _last,
                any_value(buyer._bought_at) AS _bought_at,
                -- Weights are decimals: their sums are exact, so that ties are ties in every run.
                coalesce(sum(asked._weight)::DOUBLE / any_value(asked._total)::DOUBLE, 0) AS _score
            FROM buyer
            LEFT JOIN feature ON feature._user = buyer._user
            LEFT JOIN asked
                ON asked._attribute = feature._attribute AND asked._feature = feature._feature
            GROUP BY buyer._user
        ) AS scored
        QUALIFY _rank <= k
    ),
    attribute AS (
        SELECT
            ranked._user,
            feature._attribute,
            string_agg(feature._own_value, ', ' ORDER BY feature._feature) AS _own_value,
            string_agg(feature._matched_value, ', ' ORDER BY feature._feature)
                FILTER (asked._feature IS NOT NULL) AS _matched_value
        FROM ranked
        JOIN feature ON feature._user = ranked._user
        LEFT JOIN asked
            ON asked._attribute = feature._attribute AND asked._feature = feature._feature
        GROUP BY ranked._user, feature._attribute
    ),
    described AS (
        SELECT
            attribute._user,
            list({'name': attribute._attribute, 'value': attribute._own_value}
                ORDER BY attribute._attribute) AS _attributes,
            list({'name': attribute._attribute, 'value': attribute._matched_value}
                ORDER BY attribute._attribute)
                FILTER (attribute._matched_value IS NOT NULL) AS _matches
        FROM attribute
        GROUP BY attribute._user
    )
    SELECT
        ranked._rank,
        ranked._user,
        ranked._score,
        map_from_entries(coalesce(described._matches, [])) AS _matches,
        map_from_entries(coalesce(described._attributes, [])) AS _attributes,
        ranked._bought_at
    FROM ranked
    LEFT JOIN described ON described._user = ranked._user
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
ORDER BY answer._rank;
