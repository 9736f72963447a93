-- user_copurchase($weighting, $k, $min_support, $max_group_items, $half_life_days, $epoch_day, $size_power) -> TABLE
-- The items most often bought by the same customers, whenever they bought them.
--
-- The definition of the model user_copurchase (task related). A group is the distinct items of a
-- known customer; the time of an item in it is that of the latest basket that holds it.
--
-- Needs    interactions
-- Args     weighting        VARCHAR  count, cosine, jaccard, lift or confidence
--          k                BIGINT   neighbours of an item, >= 1
--          min_support      BIGINT   customers who must have bought both, >= 1
--          max_group_items  BIGINT   items of one customer that count, the newest; ties: smaller id
--          half_life_days   DOUBLE   > 0; NULL: every customer counts the same
--          epoch_day        BIGINT   days since 1970 that ages count to; only with a half-life
--          size_power       DOUBLE   0 to 2; 0: a pair counts the same in groups of any size
-- Returns  item_id        ITEM    an item that was bought
--          rank           BIGINT  1 is best; ties go to the smaller other_item_id
--          other_item_id  ITEM    an available item, never the item itself
--          score          DOUBLE  by the weighting, above 0
--          support        BIGINT  customers who bought both
-- Empty    when no customer bought two items
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.2, User Co Purchase
--          Matrix; weightings, cap and half-life are additions
WITH entry AS (
    SELECT b.user_id AS group_id, b.item_id, max(b.time) AS time, max(b.today) AS today
    FROM ({{baskets}}) AS b
    WHERE b.user_id IS NOT NULL
    GROUP BY b.user_id, b.item_id
)
SELECT n.item_id, n.rank, n.other_item_id, n.score, n.support
FROM ({{neighbours}}) AS n
ORDER BY n.item_id, n.rank;
