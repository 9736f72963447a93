"""The command line: ``recsql demo | bind | validate | train | refresh | …``."""

from __future__ import annotations

from recsql.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 refused, 2 wrong usage."""
    app(prog_name="recsql")
