"""Print a benchmark as a table and append it to benchmarks/results/ as JSON lines."""

from __future__ import annotations

import datetime as dt
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from recsql.pretty import table

RESULTS = Path(__file__).with_name("results")


def report(name: str, title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows as a table, ratios first, and append them to results/<name>.jsonl."""
    columns = list(rows[0])
    laid = table(columns, [[row[column] for column in columns] for row in rows], title=title)
    Console(width=160).print(laid)
    RESULTS.mkdir(exist_ok=True)
    stamp = {"at": dt.datetime.now(dt.UTC).isoformat(), "machine": platform.machine()}
    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(stamp | row, default=str) + "\n")
