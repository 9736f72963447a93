-- recsql.item_exposure -> VIEW
-- One row is an item and a day on which it was bought: its exposure rate, the part of that day's
-- transactions that was of the item. The rates of a day add up to 1.
CREATE OR REPLACE VIEW recsql.item_exposure (
    day,
    item_id,
    rate
) AS
SELECT DATE '1970-01-01' + d.day::INTEGER, d.item_id,
d.transactions / sum(d.transactions) OVER (PARTITION BY d.day)
FROM recsql.item_days AS d
WHERE d.day IS NOT NULL;
