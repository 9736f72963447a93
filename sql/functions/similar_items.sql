-- similar_items(item_id, k := 10) -> TABLE
-- The k items that are most like an item: those that the same customers bought.
--
-- Cosines of items in the leading directions of who bought what, as of the training of for_you.
--
-- Needs    task for_you
-- Args     item_id  ITEM     the item
--          k        BIGINT   rows wanted, >= 1
-- Returns  rank        BIGINT   1 is best; ties go to the smaller item_id
--          item_id     ITEM     an available item, never the one asked for
--          similarity  DOUBLE   cosine, 0.001 to 1
-- Empty    when no customer bought the item, or no other that is available is like it
-- Published  materialized: to the published depth
-- Source   Sarwar, Karypis, Konstan and Riedl, WebKDD 2000; Shen et al., CIKM 2021
CREATE OR REPLACE MACRO {{prefix}}similar_items(item_id, k := 10) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.item_id AS {{item_id_type}}) AS item_id,
    _our_answer._our_row.similarity AS similarity
FROM (
    SELECT unnest(_recsql_runtime_similar_items(
        TRY_CAST(item_id::VARCHAR AS {{item_id_type}})::VARCHAR, k::BIGINT
    )) AS _our_row
) AS _our_answer;
