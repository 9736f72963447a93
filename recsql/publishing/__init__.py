"""The published file: tables and macros that any DuckDB answers by."""
