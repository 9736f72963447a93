"""Networks that users bring."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recsql.errors import ParameterError, StateError
from recsql.models.base import MOST_SCORES, Array, ScoringRecommender
from recsql.models.network import GRAPH, SIGNATURE, graph_of
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests
from recsql.networks.brought import Brought, brought_of
from recsql.networks.graph import CHUNK
from recsql.networks.sequences import Steps

# Gives the network, and the id of each item code as text.
Source = Callable[[], tuple[Brought, Sequence[str]]]
MOST_PAIRS = 32_768  # in memory at a time
HOW_TO_IMPORT = "CALL recsql.import_model('model.onnx') first."


@dataclass
class Imported(ScoringRecommender):
    """Answer by a network that learned elsewhere, which ``recsql.import_model`` took in.

    It reads the newest events of items that it knows, and scores the items that it knows; who has
    none of these is not answered. One that scores pairs is asked about each of them. Nothing is
    learned here: it may have seen what it is asked while it learned. So it serves only where it is
    named, ``models := ['imported']``, and then stays until another model is better.

    ``network`` is its name, ``version`` the beginning of the SHA-256 of its graph.
    """

    name: ClassVar[str] = "imported"
    tasks: ClassVar[tuple[str, ...]] = ("next", "for_you")
    effort: ClassVar[int] = 3

    network: str = ""
    version: str = ""

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give none: which networks there are is known to the database."""
        del real_time
        return []

    def __post_init__(self) -> None:
        self.source: Source | None = None  # not a setting: where the network lies

    def reads_attributes(self, task: str) -> bool:
        """Tell whether answers for a task depend on attributes of the customer."""
        del task
        return False

    def _fit(self, purchases: Purchases) -> None:
        if self.source is None:
            raise ParameterError(
                f"imported must have a network of yours, got none. {HOW_TO_IMPORT}"
            )
        network, ids = self.source()
        self._take(network)
        code_of = {text: code for code, text in enumerate(network.items, start=1)}
        self.code_ = np.array([code_of.get(text, 0) for text in ids], dtype=np.int64)
        if not self.code_.any():
            raise ParameterError(
                f"The network {self.network} must know an item that was bought, got none. "
                "List the ids of its items as they are in recsql.interactions."
            )

    def _take(self, network: Brought) -> None:
        if (network.name, network.version) != (self.network, self.version):
            raise StateError(
                f"The network must be {self.network} {self.version}, got {network.name} "
                f"{network.version}. Import the one that is wanted, and CALL recsql.train()."
            )
        self.network_ = network

    def _scores(self, requests: Requests) -> Array:
        network = self.network_
        history, length = self._histories(requests)
        scores = np.full((len(requests), self.n_items_), -np.inf, dtype=np.float32)
        known = np.flatnonzero(self.code_)
        code = self.code_[known]
        if network.scores_pairs:
            most = max(1, MOST_PAIRS // len(code))
        else:
            most = max(1, min(CHUNK, MOST_SCORES // len(network.items)))
        for rows in _blocks(length, most):
            table, lengths = history[rows, : length[rows].max()], length[rows]
            if network.scores_pairs:
                row = np.repeat(np.arange(len(rows)), len(code))
                pairs = network.answer(table[row], lengths[row], np.tile(code, len(rows)))
                found = pairs.reshape(len(rows), len(code))
            else:
                found = network.answer(table, lengths)[:, code - 1]
            scores[rows[:, None], known] = found
        return scores

    def _score_pairs(self, requests: Requests, row: Array, item: Array) -> Array:
        if not self.network_.scores_pairs:
            return super()._score_pairs(requests, row, item)
        history, length = self._histories(requests)
        found = np.full(len(row), np.nan)
        able = np.flatnonzero((length[row] > 0) & (self.code_[item] > 0))
        for first in range(0, len(able), MOST_PAIRS):
            pairs = able[first : first + MOST_PAIRS]
            asked, code = row[pairs], self.code_[item[pairs]]
            found[pairs] = self.network_.answer(history[asked], length[asked], code)
        found[np.isneginf(found)] = np.nan
        return found

    def _histories(self, requests: Requests) -> tuple[Array, Array]:
        """Give the newest events of known items: int64[n, steps] and their number, int64[n]."""
        events = requests.events
        assert events is not None  # recommend() looked
        known = events.select(self.code_[events.item] > 0)
        steps = Steps.newest(known, self.network_.max_length)
        return steps.table(self.code_[known.item[steps.place]], np.int64), steps.length

    def arrays(self) -> dict[str, Array]:
        """Give the network's code of each item, 0 for one that it does not know."""
        return {"code": self.code_}

    def files(self, vocabulary: str) -> dict[str, bytes]:
        """Give the graph and its signature by name; see ``Model.files``."""
        said = json.loads(self.network_.text) | {"vocabulary": vocabulary}
        return {GRAPH: self.network_.graph.content, SIGNATURE: json.dumps(said).encode()}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self.code_ = arrays["code"].astype(np.int64)

    def _take_files(self, files: Mapping[str, bytes], vocabulary: str) -> None:
        graph = graph_of(files, self.network, vocabulary)
        self._take(brought_of(graph, files[SIGNATURE]))


def _blocks(length: Array, most: int) -> list[Array]:
    """Give rows with a history, at most so many together, of about equal length: int64[…]."""
    order = np.argsort(length, kind="stable")
    order = order[length[order] > 0]
    return [order[first : first + most] for first in range(0, len(order), most)]
