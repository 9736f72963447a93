// Answer queries from a published file with nothing but @duckdb/node-api, in the folder where it is.
//
// The file is the argument; a JSON list of queries comes in; a JSON list of [lines, error] goes out.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { DuckDBInstance } = createRequire(`${process.cwd()}/`)("@duckdb/node-api");
const instance = await DuckDBInstance.create(process.argv[2], { access_mode: "READ_ONLY" });
const connection = await instance.connect();
const answers = [];
for (const query of JSON.parse(readFileSync(0, "utf-8"))) {
  try {
    const reader = await connection.runAndReadAll(query);
    answers.push([reader.getRows()[0][0], null]);
  } catch (error) {
    answers.push([null, error.message]);
  }
}
process.stdout.write(JSON.stringify(answers));
