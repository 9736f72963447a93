"""How far trainings were that were killed: files in the user's cache directory."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

KEPT_DAYS = 7.0


def training_folder() -> Path:
    """Give where trainings write how far they are."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "recsql" / "training"


def delete_leftovers(days: float = KEPT_DAYS) -> None:
    """Delete what was not written for so many days: the data have changed since, or nobody asks.

    What another user wrote, or another process deletes at the same time, is passed over.
    """
    latest = time.time() - days * 86_400
    with contextlib.suppress(OSError):
        for path in training_folder().iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime <= latest:
                    path.unlink()
