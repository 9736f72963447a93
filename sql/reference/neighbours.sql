-- neighbours($weighting, $k, $min_support, $max_group_items, $half_life_days, $epoch_day, $size_power) -> TABLE
-- The best neighbours of every item: the items that were most often in the same groups.
--
-- A part of the co-purchase definitions; reads entry(group_id, item_id, time, today), one row for
-- each item of a group. Of a group only its newest $max_group_items items count. With n_i the groups
-- that hold item i, n_ij those that hold both and N all of them, the score of j for i is
--   count       n_ij
--   cosine      n_ij / sqrt(n_i * n_j)
--   jaccard     n_ij / (n_i + n_j - n_ij)
--   lift        n_ij * N / (n_i * n_j)
--   confidence  n_ij / n_i
-- With a half-life an entry weighs a = 2^20 * 2^(-age / (2 * $half_life_days)), rounded (0.5 to 0),
-- its age in whole days before $epoch_day; with a size power it weighs n^(-$size_power / 2) times as
-- much, before rounding, in a group of which n items count. The sums of a_i * a_j, of a_i * a_i and of the largest
-- a * a of each group take the places of n_ij, n_i and N, so that a pair one half-life old counts
-- half; for count they are divided by what a pair of today weighs.
--
-- Args     weighting        VARCHAR  count, cosine, jaccard, lift or confidence
--          k                BIGINT   neighbours of an item, >= 1
--          min_support      BIGINT   groups that must hold both items, >= 1
--          max_group_items  BIGINT   items of one group that count, the newest; ties: smaller id
--          half_life_days   DOUBLE   > 0; NULL: every group counts the same
--          epoch_day        BIGINT   days since 1970 that ages count to; only with a half-life
--          size_power       DOUBLE   0 to 2; 0: a pair counts the same in groups of any size
-- Returns  item_id        ITEM    an item that was bought
--          rank           BIGINT  1 is best; ties go to the smaller other_item_id
--          other_item_id  ITEM    an available item, never the item itself
--          score          DOUBLE  by the weighting, above 0
--          support        BIGINT  groups that hold both
-- Empty    when no two items share a group
-- Source   Linden, Smith and York, 'Amazon.com Recommendations', IEEE Internet Computing 7(1),
--          2003 (cosine); Brin, Motwani, Ullman and Tsur, SIGMOD 1997 (lift)
WITH ordered AS (
    SELECT
        e.group_id,
        e.item_id,
        e.time,
        row_number() OVER (PARTITION BY e.group_id ORDER BY e.time DESC, e.item_id) AS newness
    FROM entry AS e
),
counted AS (
    SELECT o.group_id, o.item_id, o.time, count(*) OVER (PARTITION BY o.group_id) AS size
    FROM ordered AS o
    WHERE o.newness <= $max_group_items
),
weighted AS (
    SELECT
        c.group_id,
        c.item_id,
        CASE
            WHEN CAST($half_life_days AS DOUBLE) IS NULL AND $size_power = 0
                THEN CAST(1 AS BIGINT)
            ELSE CAST(ceil(
                1048576 * (
                    CASE
                        WHEN CAST($half_life_days AS DOUBLE) IS NULL THEN CAST(1 AS DOUBLE)
                        ELSE power(
                            CAST(2 AS DOUBLE),
                            (floor(c.time / 86400000000) - CAST($epoch_day AS BIGINT))
                            / (2 * CAST($half_life_days AS DOUBLE))
                        )
                    END
                    * power(CAST(c.size AS DOUBLE), -CAST($size_power AS DOUBLE) / 2)
                ) - 0.5
            ) AS BIGINT)
        END AS weight
    FROM counted AS c
),
item AS (
    SELECT w.item_id, CAST(sum(w.weight * w.weight) AS DOUBLE) AS weight
    FROM weighted AS w
    GROUP BY w.item_id
),
total AS (
    SELECT CAST(sum(g.largest) AS DOUBLE) AS weight
    FROM (
        SELECT w.group_id, max(w.weight * w.weight) AS largest
        FROM weighted AS w
        GROUP BY w.group_id
    ) AS g
),
today AS (
    SELECT
        CASE
            WHEN CAST($half_life_days AS DOUBLE) IS NULL AND $size_power = 0
                THEN CAST(1 AS DOUBLE)
            WHEN CAST($half_life_days AS DOUBLE) IS NULL THEN CAST(1 AS DOUBLE) / 1099511627776
            ELSE power(
                CAST(2 AS DOUBLE),
                (CAST($epoch_day AS BIGINT) - max(e.today)) / CAST($half_life_days AS DOUBLE)
            ) / 1099511627776
        END AS pairs
    FROM entry AS e
),
pair AS (
    SELECT
        one.item_id,
        other.item_id AS other_item_id,
        count(*) AS support,
        CAST(sum(one.weight * other.weight) AS DOUBLE) AS weight
    FROM weighted AS one
    JOIN weighted AS other ON other.group_id = one.group_id AND other.item_id <> one.item_id
    GROUP BY one.item_id, other.item_id
),
not_available AS (
    SELECT CAST(v.item_id AS VARCHAR) AS item_id
    FROM recsql.items AS v
    WHERE v.item_id IS NOT NULL
    GROUP BY CAST(v.item_id AS VARCHAR)
    HAVING NOT bool_or(coalesce(v.available, true))
),
scored AS (
    SELECT
        p.item_id,
        p.other_item_id,
        CASE $weighting
            WHEN 'count' THEN p.weight * d.pairs
            WHEN 'cosine' THEN p.weight / sqrt(i.weight * o.weight)
            WHEN 'jaccard' THEN p.weight / (i.weight + o.weight - p.weight)
            WHEN 'lift' THEN p.weight * t.weight / (i.weight * o.weight)
            WHEN 'confidence' THEN p.weight / i.weight
        END AS score,
        p.support
    FROM pair AS p
    JOIN item AS i ON i.item_id = p.item_id
    JOIN item AS o ON o.item_id = p.other_item_id
    CROSS JOIN total AS t
    CROSS JOIN today AS d
    WHERE p.support >= $min_support
        AND p.weight > 0
        AND CAST(p.other_item_id AS VARCHAR) NOT IN (
            SELECT n.item_id FROM not_available AS n
        )
),
ranked AS (
    SELECT
        s.item_id,
        row_number() OVER (
            PARTITION BY s.item_id ORDER BY s.score DESC, s.other_item_id
        ) AS rank,
        s.other_item_id,
        s.score,
        s.support
    FROM scored AS s
)
SELECT r.item_id, r.rank, r.other_item_id, r.score, r.support
FROM ranked AS r
WHERE r.rank <= $k;
