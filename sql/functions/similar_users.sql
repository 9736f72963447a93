-- similar_users(user_id, k := 10) -> TABLE
-- The k customers that are most like a customer: those who bought the same items.
--
-- Cosines of customers in the leading directions of who bought what: of the customer as they have
-- bought by the call, of the others, at most 200,000 of them, as of the training of for_you.
--
-- Needs    task for_you
-- Args     user_id  USER     the customer
--          k        BIGINT   rows wanted, >= 1
-- Returns  rank        BIGINT   1 is best; ties go to the smaller user_id
--          user_id     USER     never the one asked for
--          similarity  DOUBLE   cosine, 0.001 to 1
-- Empty    when the customer bought nothing that was known at the training, or nobody is like them
-- Published  materialized: customers known when the file was written, to the published depth
-- Source   Sarwar, Karypis, Konstan and Riedl, WebKDD 2000; Shen et al., CIKM 2021
CREATE OR REPLACE MACRO {{prefix}}similar_users(user_id, k := 10) AS TABLE
SELECT
    _our_answer._our_row.rank AS rank,
    CAST(_our_answer._our_row.user_id AS {{user_id_type}}) AS user_id,
    _our_answer._our_row.similarity AS similarity
FROM (
    SELECT unnest(_recsql_runtime_similar_users(
        TRY_CAST(user_id::VARCHAR AS {{user_id_type}})::VARCHAR, k::BIGINT
    )) AS _our_row
) AS _our_answer;
