-- recsql.import_model(path, signature := NULL) -> TABLE
-- Check a network that learned elsewhere and store it, to compete for a task.
--
-- Run it with CALL; it commits by itself. The signature is JSON: the task, what each input is, and
-- the ids of the items in the order of the network's codes; see docs/networks.md. The network is
-- asked at 1, 7 and 2048 rows. One that is not what its signature says, that gives no numbers, or
-- that answers a row differently when others are asked with it, is refused, and nothing is stored.
-- A network of the same task and name is replaced.
--
-- Needs    interactions
-- Args     path       VARCHAR  the ONNX file, with its weights in it
--          signature  VARCHAR  the JSON file; NULL: that of the same name, ending in .json
-- Returns  task       VARCHAR  task that it answers
--          network    VARCHAR  its name
--          version    VARCHAR  beginning of the SHA-256 of the graph
--          scores     VARCHAR  what an answer holds: 'all items' or 'pairs'
--          items      BIGINT   items that it lists
--          known      BIGINT   items of the interactions that are among them
--          of_items   BIGINT   items of the interactions
--          next_step  VARCHAR  what lets it serve
CREATE OR REPLACE MACRO recsql.import_model(path, signature := NULL) AS TABLE
SELECT unnest(_recsql_call_import_model(to_json({
    'path': path,
    'signature': signature,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions)
    }
})::VARCHAR), recursive := true);
