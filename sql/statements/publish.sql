-- recsql.publish(path, k := 20, include := NULL, functions := NULL, storage_version := NULL) -> TABLE
-- Write a file whose functions answer in any DuckDB, without recsql.
--
-- Run it with CALL; it reads what is committed. The file holds stored answers, what the functions
-- for customers give each of them now, scores, who bought what (for reference_customers and explain)
-- and the leaderboard, with macros of the same names and columns over them. Of the attributes it
-- holds only those in include, and never private ones. It is written under another name and moved
-- into place: who has the old file open keeps reading it.
--
-- Needs    interactions
-- Args     path             VARCHAR    the file; one that recsql.publish wrote is replaced, any other
--                                      refused
--          k                BIGINT     recommendations of a customer, and of those like one, >= 1
--          include          VARCHAR[]  attributes of users and items that the file may hold; NULL: none
--          functions        VARCHAR[]  functions that the file answers; NULL: all that can be
--          storage_version  VARCHAR    oldest DuckDB that reads the file; NULL: 'v1.5.0'
-- Returns  function  VARCHAR  name
--          answers   VARCHAR  'identical' to the function here at this moment, 'materialized' (for
--                             what was stored), 'absent', or 'left out' of functions
--          note      VARCHAR  what is to be known about the answer
CREATE OR REPLACE MACRO recsql.publish(
    path, k := 20, include := NULL, functions := NULL, storage_version := NULL
) AS TABLE
SELECT unnest(_recsql_call_publish(to_json({
    'path': path,
    'k': k,
    'include': include,
    'functions': functions,
    'storage_version': storage_version,
    'caller': {
        'schema': current_schema(),
        'rows': (SELECT count(*) FROM recsql.interactions)
    }
})::VARCHAR), recursive := true);
