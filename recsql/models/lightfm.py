"""Vectors of attribute values and of items, learned together from who bought what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from recsql.data.events import Events
from recsql.data.features import Features
from recsql.errors import MissingExtraError, ParameterError
from recsql.kernels.dense import one_blas_thread
from recsql.kernels.table_sums import sum_rows
from recsql.kernels.vector_products import score_vectors
from recsql.models.base import Array, ScoringRecommender
from recsql.models.purchases import Purchases
from recsql.models.requests import Requests

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass
class LightFM(ScoringRecommender):
    """Score items by the product of two sums of vectors: of a customer's and of an item's features.

    An item's features are itself and its attributes; a customer's are their attribute values and
    one that everybody has, each weighing one by their number. With ``own_vectors`` each customer
    is a feature while learning too. WARP draws items that were not bought until one scores above
    one that was. An item that nobody bought is never recommended.

    Someone who asks has the vector of their attributes. What they bought moves it, alike for known
    and for new customers: towards the vector x with the least sum of (1 - x·q)² over the bought
    items' vectors q, of ``everything`` (x·q)² over all items, and of ``pull`` (x - attributes)²,
    by ``fold_in`` of the way. It is a closed form, and nothing moves where nothing was bought.

    Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys
    2015; Weston, Bengio and Usunier, "WSABIE", IJCAI 2011. The package rectools-lightfm learns;
    scores are computed here. The folding in is that of Hu, Koren and Volinsky, "Collaborative
    Filtering for Implicit Feedback Datasets", ICDM 2008, around a prior.
    """

    name: ClassVar[str] = "lightfm"
    tasks: ClassVar[tuple[str, ...]] = ("first", "for_you")
    needs_attributes_for: ClassVar[tuple[str, ...]] = ("first",)
    effort: ClassVar[int] = 3

    n_factors: int = 32
    n_epochs: int = 20
    learning_rate: float = 0.05
    penalty: float = 1e-6
    own_vectors: bool = False
    item_vectors: bool = True
    fold_in: float = 1.0
    everything: float = 0.02
    pull: float = 0.1
    seed: int = 0

    @classmethod
    def variants(cls, *, real_time: bool) -> list[Self]:
        """Give customers a vector of their own while learning, or their attributes alone."""
        del real_time
        return [cls(), cls(own_vectors=True)]

    def _check(self) -> None:
        for name in ("n_factors", "n_epochs"):
            if not getattr(self, name) >= 1:
                raise ParameterError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("learning_rate", "pull"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} must be above 0, got {getattr(self, name)}.")
        for name in ("penalty", "everything"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} must be at least 0, got {getattr(self, name)}.")
        if not 0 <= self.fold_in <= 1:
            raise ParameterError(f"fold_in must be 0 to 1, got {self.fold_in}.")

    def _fit(self, purchases: Purchases) -> None:
        assert purchases.events is not None  # fit() looked
        events = purchases.events
        model = self._learned(events, purchases.user_features, purchases.item_features)
        n_features = 0 if purchases.user_features is None else purchases.user_features.n_features
        items = item_matrix(purchases.n_items, purchases.item_features, own=self.item_vectors)
        self.feature_vector_ = model.user_embeddings[: n_features + 1].astype(np.float32)
        self.feature_bias_ = model.user_biases[: n_features + 1].astype(np.float32)
        self.item_vector_ = (items @ model.item_embeddings).astype(np.float32)
        self.item_bias_ = (items @ model.item_biases).astype(np.float32)
        self.buyers_ = np.bincount(events.distinct_items()[1], minlength=purchases.n_items).astype(
            np.int32
        )
        self._lay_out()

    def _learned(self, events: Events, users: Features | None, items: Features | None) -> Any:
        """Give the package's model after its rounds; one thread, so that a seed gives one result.

        Raises
        ------
        MissingExtraError
            The package is not installed.
        """
        package = lightfm_package()
        from scipy.sparse import coo_matrix

        ptr, item = events.distinct_items()
        user = np.repeat(np.arange(events.n_users, dtype=np.int32), np.diff(ptr))
        bought = coo_matrix(
            (np.ones(len(item), dtype=np.float32), (user, item)),
            shape=(events.n_users, events.n_items),
        )
        model = package.LightFM(
            no_components=self.n_factors,
            loss="warp",
            learning_rate=self.learning_rate,
            user_alpha=self.penalty,
            item_alpha=self.penalty,
            random_state=self.seed,
        )
        return model.fit(
            bought,
            user_features=user_matrix(events.n_users, users, own=self.own_vectors),
            item_features=item_matrix(events.n_items, items, own=self.item_vectors),
            epochs=self.n_epochs,
            num_threads=1,
        )

    def _lay_out(self) -> None:
        """Prepare the vectors as the kernels read them."""
        vector = self.item_vector_
        self._to_items = np.ascontiguousarray(vector.T)
        self._bias_if_bought = np.where(self.buyers_ > 0, self.item_bias_, np.float32(-np.inf))
        double = vector.astype(np.float64)
        # Added column by column: the same bits with any number of threads.
        self._everything = np.array(
            [[np.sum(one * other) for other in double.T] for one in double.T]
        ).reshape(vector.shape[1], vector.shape[1])

    def customer_vectors(self, features: Features | None, n_rows: int) -> tuple[Array, Array]:
        """Give vector float32[n_rows, n_factors] and bias float32[n_rows] by attributes alone."""
        everybody = len(self.feature_bias_) - 1
        counts = np.zeros(n_rows, dtype=np.int64)
        ptr, feature = np.zeros(n_rows + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
        if features is not None and everybody:
            counts, ptr, feature = np.diff(features.ptr), features.ptr, features.feature
        table = np.column_stack([self.feature_vector_, self.feature_bias_])
        total = sum_rows(ptr, feature, np.ascontiguousarray(table)) + table[everybody]
        total /= (counts + 1).astype(np.float32)[:, None]
        return np.ascontiguousarray(total[:, :-1]), np.ascontiguousarray(total[:, -1])

    def _scores(self, requests: Requests) -> Array:
        assert requests.events is not None  # recommend() looked
        place, bias = self.customer_vectors(requests.features, len(requests))
        if self.fold_in > 0:
            self._move(place, *requests.events.distinct_items())
        scores: Array = score_vectors(place, bias, self._to_items, self._bias_if_bought)
        return scores

    def _move(self, place: Array, ptr: Array, item: Array) -> None:
        """Move the vectors of those who bought something, in place."""
        unit = np.eye(self.n_factors)
        rest = self.everything * self._everything + self.pull * unit
        with one_blas_thread():
            for row in np.flatnonzero(np.diff(ptr) > 0):
                code = item[ptr[row] : ptr[row + 1]]
                vectors = self.item_vector_[code[self.buyers_[code] > 0]].astype(np.float64)
                wanted = vectors.sum(axis=0) + self.pull * place[row]
                if len(vectors):
                    moved = np.linalg.solve(vectors.T @ vectors + rest, wanted)
                    place[row] += (self.fold_in * (moved - place[row])).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Give the vectors and biases of attribute values and of items."""
        return {
            "feature_vector": self.feature_vector_,
            "feature_bias": self.feature_bias_,
            "item_vector": self.item_vector_,
            "item_bias": self.item_bias_,
            "buyers": self.buyers_,
        }

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        for name in ("feature_vector", "feature_bias", "item_vector", "item_bias"):
            setattr(self, f"{name}_", np.ascontiguousarray(arrays[name], dtype=np.float32))
        self.buyers_ = arrays["buyers"].astype(np.int32)
        self._lay_out()


def lightfm_package() -> Any:
    """Give the package that learns.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import lightfm
    except ImportError as error:
        raise MissingExtraError(
            "lightfm must have the package rectools-lightfm, got none. "
            "pip install 'duckdb-recsql[train]'"
        ) from error
    return lightfm


def user_matrix(n_users: int, features: Features | None, *, own: bool) -> csr_matrix:
    """Give the weights of customers' features: attribute values, everybody's, with own: their own.

    The features of a row weigh one by their number.
    """
    n_features = 0 if features is None else features.n_features
    everyone = np.full((n_users, 1), n_features)
    extra = np.hstack([everyone, n_features + 1 + np.arange(n_users)[:, None]][: 1 + own])
    return _weighted(n_users, features, extra, n_features + 1 + own * n_users)


def item_matrix(n_items: int, features: Features | None, *, own: bool) -> csr_matrix:
    """Give the weights of items' features: attribute values and, with own, the item itself.

    Without attributes an item is itself in any case.
    """
    n_features = 0 if features is None else features.n_features
    own = own or n_features == 0
    extra = n_features + np.arange(n_items)[:, None][:, : int(own)]
    return _weighted(n_items, features, extra, n_features + own * n_items)


def _weighted(n_rows: int, features: Features | None, extra: Array, width: int) -> csr_matrix:
    from scipy.sparse import coo_matrix

    row = np.repeat(np.arange(n_rows), extra.shape[1])
    code = extra.ravel()
    if features is not None:
        row, code = np.concatenate([features.row, row]), np.concatenate([features.feature, code])
    weight = 1.0 / np.maximum(np.bincount(row, minlength=n_rows), 1)
    values = weight[row].astype(np.float32)
    return coo_matrix((values, (row, code)), shape=(n_rows, width)).tocsr()
