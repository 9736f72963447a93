-- explain(user_id, item_id) -> TABLE
-- Why an item is recommended to a customer: what the customer bought that goes with it.
--
-- The customer's purchases are read live from the bound interactions (a row counts unless its
-- quantity or the weight of its event is 0 or less, or it is later than the setting now); what
-- goes together is stored, as of the last CALL recsql.train() or recsql.refresh(). The
-- contributions of a kind add up to the score of recommend_cart(purchases, task := kind) before it
-- leaves out what was bought.
--
-- Needs    interactions, scores
-- Args     user_id  USER  the customer; for an unknown one only the item speaks
--          item_id  ITEM  the item
-- Returns  rank          BIGINT   1 contributes most; ties go by kind, then to the smaller item
--          kind          VARCHAR  bundle (same basket), related (same customer): one row for each
--                                 item bought; popular, trending: one row about the item
--          detail        VARCHAR  the evidence, a sentence with its counts
--          contribution  DOUBLE   part of the score; 0 for popular and trending
-- Empty    when the item was never bought by anyone
-- Source   recsql; the contributions are the terms of the sum that recommend_cart documents
CREATE OR REPLACE MACRO {{prefix}}explain(user_id, item_id) AS TABLE
SELECT
    row_number() OVER (
        ORDER BY answer._contribution DESC, answer._kind, answer._key NULLS FIRST
    ) AS rank,
    answer._kind AS kind,
    answer._detail AS detail,
    answer._contribution AS contribution
FROM (
    WITH item AS (
        SELECT
            s.item_id AS _id,
            s.transactions AS _transactions,
            s.users AS _users,
            s.baskets AS _baskets,
            s.trend_z AS _trend_z,
            s.trend_rank AS _trend_rank
        FROM recsql.item_scores AS s
    ),
    asked AS (
        SELECT item.* FROM item WHERE item._id = TRY_CAST(item_id::VARCHAR AS {{item_id_type}})
    ),
    bought AS (
        SELECT DISTINCT line._item
        FROM (
            SELECT
                i.user_id AS _user,
                i.item_id AS _item,
                i.event AS _event,
                i.quantity AS _quantity,
                {{bought_at}} AS _bought_at
            FROM recsql.interactions AS i
        ) AS line
        WHERE line._user = TRY_CAST(user_id::VARCHAR AS {{user_id_type}})
            AND coalesce(line._quantity, 1) > 0
            AND coalesce(line._event, '') NOT IN (
                SELECT w.event FROM recsql.event_weights AS w WHERE w.weight <= 0
            )
            AND NOT coalesce(line._bought_at > (
                SELECT TRY_CAST(s.value AS TIMESTAMP) FROM recsql.settings AS s WHERE s.name = 'now'
            ), false)
    ),
    matched AS (
        SELECT
            stored._task,
            stored._key,
            stored._other,
            stored._score,
            stored._support,
            sum(CASE stored._rank WHEN 1 THEN 1 ELSE 0 END)
                OVER (PARTITION BY stored._task) AS _n_known
        FROM bought
        JOIN (
            SELECT
                t.task AS _task,
                t.item_id AS _key,
                t.rank AS _rank,
                t.other_item_id AS _other,
                t.score AS _score,
                t.support AS _support
            FROM recsql.top_items AS t
        ) AS stored ON stored._key = bought._item
        WHERE stored._task IN ('bundle', 'related')
    ),
    together AS (
        SELECT
            matched._task,
            matched._key,
            matched._support,
            matched._score / matched._n_known AS _contribution,
            CASE matched._task WHEN 'bundle' THEN one._baskets ELSE one._users END AS _with_key,
            CASE matched._task WHEN 'bundle' THEN asked._baskets ELSE asked._users END AS _with_item
        FROM matched
        JOIN asked ON asked._id = matched._other
        JOIN item AS one ON one._id = matched._key
    ),
    named AS (
        SELECT
            wanted._id,
            coalesce(
                min(titled._title) || ' (' || wanted._id::VARCHAR || ')', wanted._id::VARCHAR
            ) AS _name
        FROM (
            SELECT together._key AS _id FROM together UNION SELECT asked._id FROM asked
        ) AS wanted
        LEFT JOIN (
            SELECT TRY_CAST(v.item_id::VARCHAR AS {{item_id_type}}) AS _id, v.title AS _title
            FROM recsql.items AS v
        ) AS titled ON titled._id = wanted._id
        GROUP BY wanted._id
    )
    SELECT
        together._task AS _kind,
        together._key AS _key,
        format(
            CASE together._task
                WHEN 'bundle'
                    THEN '{} was bought: {:,} of its {:,} baskets also held {}, which was in {:,}.'
                ELSE '{} was bought: {:,} of its {:,} customers also bought {}, which {:,} bought.'
            END,
            key_name._name,
            together._support,
            together._with_key,
            item_name._name,
            together._with_item
        ) AS _detail,
        together._contribution AS _contribution
    FROM together
    JOIN named AS key_name ON key_name._id = together._key
    CROSS JOIN asked
    JOIN named AS item_name ON item_name._id = asked._id
    UNION ALL
    SELECT
        'popular',
        NULL,
        format(
            '{} was bought {:,} times, in {:,} baskets and by {:,} customers.',
            item_name._name, asked._transactions, asked._baskets, asked._users
        ),
        0
    FROM asked
    JOIN named AS item_name ON item_name._id = asked._id
    UNION ALL
    SELECT
        'trending',
        NULL,
        format(
            'Sales of {} are {:.1f} standard deviations {} their own mean: rank {:,} by trend.',
            item_name._name,
            abs(asked._trend_z),
            CASE WHEN asked._trend_z < 0 THEN 'below' ELSE 'above' END,
            asked._trend_rank
        ),
        0
    FROM asked
    JOIN named AS item_name ON item_name._id = asked._id
    WHERE asked._trend_rank IS NOT NULL
) AS answer
ORDER BY rank;
