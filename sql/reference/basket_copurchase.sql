-- basket_copurchase($weighting, $k, $min_support, $max_group_items, $half_life_days, $epoch_day, $size_power) -> TABLE
-- The items most often bought in the same basket.
--
-- The definition of the model basket_copurchase (task bundle). A group is the distinct items of a
-- basket, also of a basket without a customer; all its items have the time of the basket.
--
-- Needs    interactions
-- Args     weighting        VARCHAR  count, cosine, jaccard, lift or confidence
--          k                BIGINT   neighbours of an item, >= 1
--          min_support      BIGINT   baskets that must hold both, >= 1
--          max_group_items  BIGINT   items of one basket that count, those of smaller id
--          half_life_days   DOUBLE   > 0; NULL: every basket counts the same
--          epoch_day        BIGINT   days since 1970 that ages count to; only with a half-life
--          size_power       DOUBLE   0 to 2; 0: a pair counts the same in groups of any size
-- Returns  item_id        ITEM    an item that was bought
--          rank           BIGINT  1 is best; ties go to the smaller other_item_id
--          other_item_id  ITEM    an available item, never the item itself
--          score          DOUBLE  by the weighting, above 0
--          support        BIGINT  baskets that hold both
-- Empty    when no basket holds two items
-- Source   A Unified Recommendation Framework for Zoho CRM, section 2.2, Transaction Co
--          Purchase Matrix, and section 2.1 (24 hours); weightings, cap and half-life are additions
WITH entry AS (
    SELECT b.basket AS group_id, b.item_id, max(b.time) AS time, max(b.today) AS today
    FROM ({{baskets}}) AS b
    GROUP BY b.basket, b.item_id
)
SELECT n.item_id, n.rank, n.other_item_id, n.score, n.support
FROM ({{neighbours}}) AS n
ORDER BY n.item_id, n.rank;
