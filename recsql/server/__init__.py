"""The server door: DuckDB's Quack protocol, served by the process that holds the functions."""
