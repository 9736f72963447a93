"""Settings: what they are called, what they mean, and how they are read from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsql.database import Session
from recsql.errors import ParameterError


@dataclass(frozen=True)
class Setting:
    """One row of ``recsql.settings``."""

    name: str
    value: str | None
    meaning: str


SETTINGS = (
    Setting("now", None, "the present, a timestamp; NULL: latest ts of the data or the clock"),
    Setting("basket_hours", "24", "hours a basket lasts where no basket_id is bound"),
    Setting("session_gap_minutes", "60", "a longer break ends a session"),
    Setting(
        "drift_relearn_share",
        "0.05",
        "share of new rows above which a refresh lets the serving models learn again",
    ),
    Setting(
        "drift_new_rows_share",
        "0.3",
        "share of new rows above which a refresh lets all models compete again",
    ),
    Setting(
        "drift_psi",
        "0.25",
        "stability index of items or customers above which all models compete again",
    ),
    Setting(
        "drift_hit_rate_drop",
        "0.3",
        "drop of the live hit rate above which all models compete again",
    ),
    Setting("stored_depth", "50", "neighbours stored for each item: the largest k"),
    Setting("max_group_items", "1000", "items of one customer or basket that form pairs"),
    Setting(
        "max_customer_events",
        "10000000",
        "purchases that models of customers learn from: of more, those of random customers",
    ),
    Setting("max_pair_megabytes", "128", "pair counts above this are counted again by refresh"),
    Setting("generations_kept", "2", "retired models of a task whose artifacts are kept"),
    Setting(
        "networks",
        "auto",
        "whether networks compete where nobody names them: 'auto' (where budget_s is given), "
        "'always' or 'never'",
    ),
    Setting("quantile_bins", "4", "bins of a numeric attribute in reference customers"),
    Setting("trend_half_life_days", "7", "half-life of the moving average behind trends"),
    Setting("trend_least_transactions", "10", "sales in that history that a trend needs"),
    Setting("trend_window_days", "180", "days of history that a trend is measured against"),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def setting_text(session: Session, name: str) -> str | None:
    """Give the text of a setting; a row the user deleted counts as its default."""
    stored = dict(session.known("SELECT s.name, s.value FROM recsql.settings AS s"))
    return stored[name] if name in stored else _BY_NAME[name].value


def setting_number(session: Session, name: str, *, least: float = 1) -> float:
    """Give a setting as a number; ParameterError if it is none or below ``least``."""
    text = setting_text(session, name)
    remedy = f"UPDATE recsql.settings SET value = '{_BY_NAME[name].value}' WHERE name = '{name}'."
    try:
        number = float(text or "")
    except ValueError:
        raise ParameterError(f"Setting {name} must be a number, got {text!r}. {remedy}") from None
    if not number >= least:
        raise ParameterError(f"Setting {name} must be at least {least:g}, got {text}. {remedy}")
    return number


def setting_int(session: Session, name: str, *, least: int = 1) -> int:
    """Give a setting as a whole number; ParameterError if it is none or below ``least``."""
    number = setting_number(session, name, least=least)
    if not number.is_integer():
        raise ParameterError(
            f"Setting {name} must be a whole number, got {number:g}. UPDATE recsql.settings SET "
            f"value = '{_BY_NAME[name].value}' WHERE name = '{name}'."
        )
    return int(number)


def setting_choice(session: Session, name: str, known: Sequence[str]) -> str:
    """Give a setting that is one of some words; ParameterError if it is none of them."""
    text = setting_text(session, name) or ""
    if text not in known:
        raise ParameterError(
            f"Setting {name} must be one of {', '.join(known)}, got {text!r}. UPDATE "
            f"recsql.settings SET value = '{_BY_NAME[name].value}' WHERE name = '{name}'."
        )
    return text
