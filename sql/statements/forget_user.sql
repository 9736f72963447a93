-- recsql.forget_user(user_id) -> TABLE
-- Take a customer out of everything that recsql reads, stores and has learned.
--
-- Run it with CALL; it commits by itself. At once: the views over your tables no longer show the
-- customer, no stored row names them, and functions answer for them as for somebody unknown. At the
-- next CALL recsql.refresh(): the serving models learn again without them, and the models before
-- those are deleted. Your own tables stay as they are: delete the rows there yourself. Publish
-- files again that were written before.
--
-- Needs    interactions
-- Args     user_id  VARCHAR  the customer; one who is unknown is kept out if they come
-- Returns  user_id       VARCHAR  the customer
--          interactions  BIGINT   rows of recsql.interactions that are no longer seen
--          stored_rows   BIGINT   rows of recsql's own tables that were deleted
--          next_step     VARCHAR  what is left to be done
CREATE OR REPLACE MACRO recsql.forget_user(user_id) AS TABLE
SELECT unnest(_recsql_call_forget_user(to_json({
    'user_id': user_id::VARCHAR,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions)
    }
})::VARCHAR), recursive := true);
