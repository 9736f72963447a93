"""What a network learned before, for one that goes on from it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsql.errors import StateError

Array = np.ndarray[Any, np.dtype[Any]]

UNTIL, MEANING, ITEMS = "until", "meaning", "items"


@dataclass(frozen=True)
class Weights:
    """The weights of a network that learned.

    Attributes
    ----------
    values : arrays by the name of the parameter
    until : time of the newest event that was learned from, in microseconds since 1970
    meaning : hash of what the codes of attributes, contexts and kinds of events mean
    n_items : items that were learned from
    """

    values: Mapping[str, Array]
    until: int
    meaning: str
    n_items: int

    def to_bytes(self) -> bytes:
        """Give an archive of arrays, the same for the same weights."""
        arrays = dict(self.values)
        arrays[UNTIL] = np.array(self.until, dtype=np.int64)
        arrays[ITEMS] = np.array(self.n_items, dtype=np.int64)
        arrays[MEANING] = np.frombuffer(self.meaning.encode(), dtype=np.uint8)
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        return content.getvalue()

    @classmethod
    def of_bytes(cls, content: bytes) -> Weights:
        """Take back what ``to_bytes`` gave.

        Raises
        ------
        StateError
            The content is not an archive of weights.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                values = {name: file[name] for name in file.files}
            until, n_items = int(values.pop(UNTIL)), int(values.pop(ITEMS))
            meaning = values.pop(MEANING).tobytes().decode()
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise StateError(
                f"The weights of a network must be an archive of arrays, got one that cannot be "
                f"read: {error}. CALL recsql.train() to make it again."
            ) from None
        return cls(values, until, meaning, n_items)


@dataclass(frozen=True)
class Start:
    """Where learning begins.

    Attributes
    ----------
    weights : of the network before
    items : int64[n_items]    the code there of each item; -1 for one it does not know
    """

    weights: Weights
    items: Array
