"""What a statement gives back in Python: named, typed rows that print as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LONGEST_JSON = 60


@dataclass(frozen=True)
class Result:
    """Rows of a statement.

    Attributes
    ----------
    columns : names, in order
    rows : one tuple a row
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Give each row as a dictionary."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_arrow(self) -> pa.Table:
        """Give the rows as an Arrow table."""
        import pyarrow as pa

        values = zip(*self.rows, strict=True) if self.rows else ([] for _ in self.columns)
        return pa.table(dict(zip(self.columns, map(pa.array, map(list, values)), strict=True)))

    def to_pandas(self) -> pd.DataFrame:
        """Give the rows as a pandas DataFrame (pandas must be installed)."""
        import pandas as pd

        return pd.DataFrame.from_records(list(self.rows), columns=list(self.columns))

    def __str__(self) -> str:
        """Lay the rows out as wide as they are, but for long JSON, which ``rows`` has whole.

        Columns without any value are left out.
        """
        from rich.console import Console

        from recsql.pretty import table

        places = [
            place
            for place in range(len(self.columns))
            if not self.rows or any(row[place] not in (None, "") for row in self.rows)
        ]
        columns = [self.columns[place] for place in places]
        rows = [[_shortened(row[place]) for place in places] for row in self.rows]
        console = Console(width=1_000, markup=False, emoji=False)
        with console.capture() as capture:
            console.print(table(columns, rows))
        return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _shortened(value: Any) -> Any:
    is_json = isinstance(value, str) and value.startswith("{")
    return f"{value[: LONGEST_JSON - 1]}…" if is_json and len(value) > LONGEST_JSON else value
