-- explain(user_id, item_id) -> TABLE
-- Why an item is recommended to a customer: what the customer bought that goes with it, by whom it
-- was bought too, or by what is known of both.
--
-- The customer's purchases are read live from the bound interactions (a row counts unless its
-- quantity or the weight of its event is 0 or less, or it is later than the setting now); what
-- goes together is stored, as of the last CALL recsql.train() or recsql.refresh(). The
-- contributions of a kind add up to the score of recommend_cart(purchases, task := kind) before it
-- leaves out what was bought. Paths are there while the model kgat serves for_you: for each item
-- bought the one with the most attention, through at most one thing that both are joined to.
--
-- Needs    interactions, scores
-- Args     user_id  USER  the customer; for an unknown one only the item speaks
--          item_id  ITEM  the item
-- Returns  rank          BIGINT   1 contributes most; ties go by kind, then to the smaller item
--          kind          VARCHAR  bundle (same basket), related (same customer), path (same fact):
--                                 one row for each item bought; popular, trending: one row about
--                                 the item
--          detail        VARCHAR  the evidence, a sentence with its counts
--          contribution  DOUBLE   part of the score; of a path the attention along it, 0 to 1; 0 for
--                                 popular and trending
-- Empty    when the item was never bought by anyone
-- Published  identical: by what customers had bought when the file was written; paths by the
--            attributes that the file includes
-- Source   recsql; the contributions are the terms of the sum that recommend_cart documents
CREATE OR REPLACE MACRO {{prefix}}explain(user_id, item_id) AS TABLE
SELECT
    row_number() OVER (
        ORDER BY answer._our_contribution DESC, answer._our_kind, answer._our_key NULLS FIRST
    ) AS rank,
    answer._our_kind AS kind,
    answer._our_detail AS detail,
    answer._our_contribution AS contribution
FROM (
    WITH _our_item AS (
        SELECT
            s.item_id AS _our_id,
            s.transactions AS _our_transactions,
            s.users AS _our_users,
            s.baskets AS _our_baskets,
            s.trend_z AS _our_trend_z,
            s.trend_rank AS _our_trend_rank
        FROM recsql.item_scores AS s
    ),
    asked AS (
        SELECT _our_item.*
        FROM _our_item
        WHERE _our_item._our_id = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
    ),
    bought AS (
        SELECT DISTINCT _our_line._our_item
        FROM (
            SELECT
                i.user_id AS _our_user,
                i.item_id AS _our_item,
                i.event AS _our_event,
                i.quantity AS _our_quantity,
                {{bought_at}} AS _our_bought_at
            FROM recsql.interactions AS i
        ) AS _our_line
        WHERE _our_line._our_user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
            AND coalesce(_our_line._our_quantity, 1) > 0
            AND coalesce(_our_line._our_event, '') NOT IN (
                SELECT w.event FROM recsql.event_weights AS w WHERE w.weight <= 0
            )
            AND NOT coalesce(_our_line._our_bought_at > (
                SELECT TRY_CAST(s.value AS TIMESTAMP) FROM recsql.settings AS s WHERE s.name = 'now'
            ), false)
    ),
    matched AS (
        SELECT
            stored._our_task,
            stored._our_key,
            stored._our_other,
            stored._our_score,
            stored._our_support,
            sum(CASE stored._our_rank WHEN 1 THEN 1 ELSE 0 END)
                OVER (PARTITION BY stored._our_task) AS _our_n_known
        FROM bought
        JOIN (
            SELECT
                t.task AS _our_task,
                t.item_id AS _our_key,
                t.rank AS _our_rank,
                t.other_item_id AS _our_other,
                t.score AS _our_score,
                t.support AS _our_support
            FROM recsql.top_items AS t
        ) AS stored ON stored._our_key = bought._our_item
        WHERE stored._our_task IN ('bundle', 'related')
    ),
    together AS (
        SELECT
            matched._our_task,
            matched._our_key,
            matched._our_support,
            matched._our_score / matched._our_n_known AS _our_contribution,
            CASE matched._our_task WHEN 'bundle' THEN one._our_baskets ELSE one._our_users END
                AS _our_with_key,
            CASE matched._our_task WHEN 'bundle' THEN asked._our_baskets ELSE asked._our_users END
                AS _our_with_item
        FROM matched
        JOIN asked ON asked._our_id = matched._our_other
        JOIN _our_item AS one ON one._our_id = matched._our_key
    ),
    facts AS (
        SELECT
            f.item_id AS _our_id,
            f.thing AS _our_thing,
            f.is_item AS _our_is_item,
            f.attribute AS _our_attribute,
            f.fact AS _our_fact,
            f.attention AS _our_attention,
            f.attention_back AS _our_attention_back
        FROM recsql.item_facts AS f
    ),
    own AS (
        SELECT facts.*
        FROM facts
        JOIN asked ON asked._our_id = facts._our_id
    ),
    ways AS (
        SELECT
            bought._our_item AS _our_key,
            concat(near._our_fact, ' ''', near._our_thing, '''') AS _our_near,
            concat(own._our_fact, ' ''', own._our_thing, '''') AS _our_far,
            own._our_attention * near._our_attention_back AS _our_attention
        FROM own
        JOIN facts AS near
            ON near._our_thing = own._our_thing
            AND near._our_is_item = own._our_is_item
            AND near._our_attribute = own._our_attribute
        JOIN bought ON bought._our_item = near._our_id
        WHERE near._our_id <> own._our_id
        UNION ALL
        SELECT bought._our_item, near._our_fact, NULL, near._our_attention_back
        FROM asked
        JOIN facts AS near
            ON near._our_is_item AND near._our_thing = asked._our_id::VARCHAR
        JOIN bought ON bought._our_item = near._our_id
        WHERE bought._our_item <> asked._our_id
    ),
    paths AS (
        SELECT
            ways._our_key,
            arg_max(
                {'near': ways._our_near, 'far': ways._our_far},
                {
                    'attention': ways._our_attention,
                    'near': ways._our_near,
                    'far': coalesce(ways._our_far, '')
                }
            ) AS _our_way,
            max(ways._our_attention) AS _our_attention
        FROM ways
        GROUP BY ways._our_key
    ),
    named AS (
        SELECT
            wanted._our_id,
            coalesce(
                min(titled._our_title) || ' (' || wanted._our_id::VARCHAR || ')',
                wanted._our_id::VARCHAR
            ) AS _our_name
        FROM (
            SELECT together._our_key AS _our_id FROM together
            UNION
            SELECT paths._our_key FROM paths
            UNION
            SELECT asked._our_id FROM asked
        ) AS wanted
        LEFT JOIN (
            SELECT
                TRY_CAST(v.item_id::VARCHAR AS {{item_id_type}}) AS _our_id,
                v.title AS _our_title
            FROM recsql.items AS v
        ) AS titled ON titled._our_id = wanted._our_id
        GROUP BY wanted._our_id
    )
    SELECT
        together._our_task AS _our_kind,
        together._our_key AS _our_key,
        format(
            CASE together._our_task
                WHEN 'bundle'
                    THEN '{} was bought: {:,} of its {:,} baskets also held {}, which was in {:,}.'
                ELSE '{} was bought: {:,} of its {:,} customers also bought {}, which {:,} bought.'
            END,
            key_name._our_name,
            together._our_support,
            together._our_with_key,
            item_name._our_name,
            together._our_with_item
        ) AS _our_detail,
        together._our_contribution AS _our_contribution
    FROM together
    JOIN named AS key_name ON key_name._our_id = together._our_key
    CROSS JOIN asked
    JOIN named AS item_name ON item_name._our_id = asked._our_id
    UNION ALL
    SELECT
        'path',
        paths._our_key,
        CASE
            WHEN paths._our_way.far IS NULL
                THEN format(
                    '{} was bought, which {} {}.',
                    key_name._our_name, paths._our_way.near, item_name._our_name
                )
            WHEN paths._our_way.far = paths._our_way.near
                THEN format(
                    '{} was bought, which {}, like {}.',
                    key_name._our_name, paths._our_way.near, item_name._our_name
                )
            ELSE format(
                '{} was bought, which {}; {} {}.',
                key_name._our_name, paths._our_way.near,
                item_name._our_name, paths._our_way.far
            )
        END,
        paths._our_attention
    FROM paths
    JOIN named AS key_name ON key_name._our_id = paths._our_key
    CROSS JOIN asked
    JOIN named AS item_name ON item_name._our_id = asked._our_id
    UNION ALL
    SELECT
        'popular',
        NULL,
        format(
            '{} was bought {:,} times, in {:,} baskets and by {:,} customers.',
            item_name._our_name, asked._our_transactions, asked._our_baskets, asked._our_users
        ),
        0
    FROM asked
    JOIN named AS item_name ON item_name._our_id = asked._our_id
    UNION ALL
    SELECT
        'trending',
        NULL,
        format(
            'Sales of {} are {:.1f} standard deviations {} their own mean: rank {:,} by trend.',
            item_name._our_name,
            abs(asked._our_trend_z),
            CASE WHEN asked._our_trend_z < 0 THEN 'below' ELSE 'above' END,
            asked._our_trend_rank
        ),
        0
    FROM asked
    JOIN named AS item_name ON item_name._our_id = asked._our_id
    WHERE asked._our_trend_rank IS NOT NULL
) AS answer
ORDER BY rank;
