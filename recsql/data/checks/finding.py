"""What a check gives back, and the words and calls that findings are written with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsql.database import literal

Severity = Literal["error", "warning", "info"]
Argument = str | bool | list[str]

_LONGEST_EXAMPLE = 80


@dataclass(frozen=True)
class Finding:
    """One thing that is worth knowing about the bound data.

    Attributes
    ----------
    check : name of the check
    source : 'interactions', 'users', 'items', 'impressions' or 'knowledge'
    severity : 'error' stops a task or gives wrong answers, 'warning' deserves a look
    count : rows of the source that are concerned; for large groups, their items without pairs
    share : of the rows of the source, 0 to 1; 0 for an empty source
    example : one value that shows it; None without one
    advice : what is so and what to do, with the statement to paste where there is one
    """

    check: str
    source: str
    severity: Severity
    count: int
    share: float
    example: str | None
    advice: str

    def row(self) -> tuple[str, str, str, int, float, str | None, str]:
        """Give the finding as a row of the result."""
        return (
            self.check,
            self.source,
            self.severity,
            self.count,
            self.share,
            self.example,
            self.advice,
        )


def share_of(count: int, total: int) -> float:
    """Give count / total; 0.0 when there is nothing to share."""
    return count / total if total else 0.0


def counted(number: int, noun: str) -> str:
    """Give '1 row' or '1,234 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(value: object) -> str:
    """Give a value as an example: text in quotes so that blanks show, cut when it is long."""
    text = str(value)
    if len(text) > _LONGEST_EXAMPLE:
        text = text[: _LONGEST_EXAMPLE - 1] + "…"
    return literal(text) if isinstance(value, str) else text


def labelled(column: str, value: object) -> str | None:
    """Give 'item_id 123' as an example; None without a value."""
    return None if value is None else f"{column} {shown(value)}"


def bind_call(source: str, relation: str, arguments: Mapping[str, Any], **changes: Argument) -> str:
    """Give the CALL that binds a source as it is bound, but for some arguments."""
    parts = [literal(relation)]
    for name, value in {**arguments, **changes}.items():
        parts.append(f"{name} := {_argument(value)}")
    return f"CALL recsql.bind_{source}({', '.join(parts)})"


def _argument(value: Argument) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(literal(part) for part in value)}]"
    return literal(value)
