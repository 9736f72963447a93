"""Answer queries from a published file with nothing but the duckdb package.

The file is the argument; a JSON list of queries comes in; a JSON list of [lines, error] goes out.
"""

import json
import sys

import duckdb

con = duckdb.connect(sys.argv[1], read_only=True)
answers = []
for query in json.load(sys.stdin):
    try:
        answers.append([con.execute(query).fetchall()[0][0], None])
    except duckdb.Error as error:
        answers.append([None, str(error)])
json.dump(answers, sys.stdout)
