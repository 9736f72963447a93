"""Compiled loops over arrays; nothing runs at import, and nothing here knows DuckDB."""
