-- recsql.totals -> TABLE
-- One row: the sums that the scores divide by. *_log_sum is ln(sum(exp(Z))) of equation 4;
-- data_now is the present (microseconds since 1970, or the ordering integer), today its day;
-- stored_depth is how many neighbours of an item were stored; definition changes when refresh has
-- to count everything again, users_fingerprint when the attributes of any customer change.
CREATE OR REPLACE TABLE recsql.totals (
    data_now BIGINT,
    today BIGINT,
    transactions BIGINT NOT NULL,
    user_transactions BIGINT NOT NULL,
    buyers BIGINT NOT NULL,
    users BIGINT NOT NULL,
    items BIGINT NOT NULL,
    baskets BIGINT NOT NULL,
    user_log_sum DOUBLE,
    item_log_sum DOUBLE,
    stored_depth INTEGER NOT NULL,
    definition VARCHAR NOT NULL,
    users_fingerprint UBIGINT NOT NULL
);
