-- recsql.totals -> TABLE
-- One row: the sums that the scores divide by. *_log_sum is ln(sum(exp(Z))) of equation 4;
-- data_now is the present (microseconds since 1970, or the ordering integer), today its day;
-- definition changes when refresh has to count everything again.
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
    definition VARCHAR NOT NULL
);
