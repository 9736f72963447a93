"""How long and how fast a network learns, and how far it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsql.models.network import Network


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes
    ----------
    n_epochs : rounds over everything, at most
    batch_size : rows of a step; fewer where a round would have less than ``least_steps``
    learning_rate : of Adam, reached step by step
    weight_decay : pull of weights towards 0 at each step, times the learning rate
    clip : largest norm of the gradient of a step; neither it nor ``weight_decay`` is for tables of
        which a step touches few rows
    patience : rounds without a gain on the held-out part after which learning ends
    rate_patience : rounds without a gain after which the rate is halved
    seed, device : as in the settings of a network
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    clip: float
    patience: int
    rate_patience: int
    seed: int
    device: str


@dataclass
class Course:
    """How far learning is: all that a checkpoint must hold but the weights.

    Attributes
    ----------
    epoch : rounds done
    best_epoch : the round whose weights are the best; 0: none yet
    best_loss : what it reached on the held-out part, or while learning where there is none
    rate : learning rate
    step : steps done
    batch_size : rows of a step, smaller than asked for where memory did not suffice
    losses : mean loss of each round
    """

    batch_size: int
    rate: float
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    step: int = 0
    losses: list[float] = field(default_factory=list)


def schedule_of(settings: Network) -> Schedule:
    """Give the schedule that the settings of a network name."""
    return Schedule(
        settings.n_epochs,
        settings.batch_size,
        settings.learning_rate,
        settings.weight_decay,
        settings.clip,
        settings.patience,
        settings.rate_patience,
        settings.seed,
        settings.device,
    )
