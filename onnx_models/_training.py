"""Learn a network: rounds over batches until a held-out part no longer gains from it.

Rounds are reproducible one by one: each draws from generators seeded by its number, so that what
was killed goes on from the last checkpoint as if nothing had happened.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from recsql.errors import TrainingError
from recsql.networks.limits import tell, time_is_up, time_left

from ._checkpoints import Checkpoint, checkpoint_of
from ._course import Course, Schedule, schedule_of
from ._device import chosen_device, memory_errors, reproducible
from ._modules import NetworkModule, go_on

if TYPE_CHECKING:
    from recsql.models.network import Network

Array = np.ndarray[Any, np.dtype[Any]]
Batch = Mapping[str, Array]
Kept = tuple[dict[str, torch.Tensor], list[Any]]  # weights and states of optimizers
LEAST_BATCH = 16  # where memory does not suffice
LEAST_ROWS = 8
WARM_UP_STEPS = 100
CHECKPOINT_SECONDS = 20.0
SHRINK = 0.5  # of the learning rate, after rounds without a gain


Module = TypeVar("Module", bound=nn.Module)
Going = TypeVar("Going", bound=NetworkModule)
Taught = TypeVar("Taught", bound=nn.Module, contravariant=True)
Found = TypeVar("Found")


class Lesson(Protocol[Taught]):
    """What a module learns from.

    Attributes
    ----------
    n_rows : rows of all batches of a round
    least_steps : steps of a round; of few rows, smaller batches make so many
    """

    n_rows: int
    least_steps: int

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[Batch]:
        """Give the batches of a round, each of about ``size`` rows, in an order of chance."""

    def loss(self, module: Taught, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the mean loss of a batch."""

    def held_out_loss(self, module: Taught, device: torch.device) -> float | None:
        """Give what is to be low on the held-out part; None where nothing is held out."""


def learned(
    settings: Network, make: Callable[[], Going], lesson: Lesson[Going], data: Iterable[Array]
) -> Going:
    """Make a module and let it learn; the same settings, data and start give the same weights.

    Parameters
    ----------
    make : gives a module with weights of chance
    data : what the lesson was made of; with the settings it names the checkpoint

    Raises
    ------
    TrainingError
        The loss was not finite before any round was done.
    MemoryError
        There is no memory for a batch, on the CPU neither.
    """
    data, start = list(data), settings.start
    small = rows_a_step(settings.batch_size, lesson) < settings.batch_size
    with memory_errors(), reproducible(1 if small else settings.n_threads):
        torch.manual_seed(settings.seed)
        module = make()
        if start is not None:
            go_on(module, start, same_codes=start.weights.meaning == settings.meaning_)
            data += [start.items, *start.weights.values.values()]
        checkpoint, goes_on = checkpoint_of(settings, data), start is not None
        train(module, lesson, schedule_of(settings), checkpoint, goes_on=goes_on)
        return module


def rows_a_step(batch_size: int, lesson: Lesson[Any]) -> int:
    """Give the rows of a step: fewer where a round would have less than ``least_steps``."""
    return min(batch_size, max(LEAST_ROWS, lesson.n_rows // lesson.least_steps))


def train(
    module: Module,
    lesson: Lesson[Module],
    schedule: Schedule,
    checkpoint: Checkpoint | None = None,
    *,
    goes_on: bool = False,
) -> Course:
    """Learn in place; the module ends with its best weights, on the CPU, ready to be asked.

    Learning ends after ``n_epochs``, or when ``patience`` rounds brought no gain, or when the time
    that ``recsql.networks.limits`` sets is up, after at least one step. A loss that is not finite
    ends it too: the weights of the best round are kept, with a warning. Where a CUDA device runs
    out of memory the batch is halved, and at LEAST_BATCH rows the CPU goes on. A module that
    ``goes_on`` ends as it began, where no round is better on what is held out.

    Raises
    ------
    TrainingError
        The loss was not finite before any round was done.
    """
    return _Training(module, lesson, schedule, checkpoint, goes_on).run()


class _Training(Generic[Module]):
    def __init__(
        self,
        module: Module,
        lesson: Lesson[Module],
        schedule: Schedule,
        checkpoint: Checkpoint | None,
        goes_on: bool,
    ) -> None:
        self.module, self.lesson, self.schedule, self.goes_on = module, lesson, schedule, goes_on
        self.checkpoint = checkpoint
        self.course = Course(schedule.batch_size, schedule.learning_rate)
        self.device = chosen_device(schedule.device)
        self.on_accelerator = self.device.type != "cpu"
        try:
            module.to(self.device)
        except torch.OutOfMemoryError:
            self._to_processor()
            module.to(self.device)
        self.optimizers = _optimizers(module, schedule)
        self.best = _weights(module)

    def run(self) -> Course:
        self._resume()
        if self.goes_on and self.course.epoch == 0:
            found = self._within_memory(self._held_out)
            self.course.best_loss = math.inf if found is None else found
        started, saved = time.perf_counter(), time.perf_counter()
        while self.course.epoch < self.schedule.n_epochs and not self._is_over():
            if not self._round():
                break
            self._tell(started)
            if self.checkpoint is not None and time.perf_counter() - saved > CHECKPOINT_SECONDS:
                self.checkpoint.write(self.course, self.module, self.optimizers, self.best)
                saved = time.perf_counter()
            if time_is_up():
                break
        self.module.to("cpu").load_state_dict(self.best)
        self.module.eval()
        if self.checkpoint is not None:
            self.checkpoint.remove()
        return self.course

    def _resume(self) -> None:
        if self.checkpoint is not None:
            found = self.checkpoint.read(self.module, self.optimizers, self.device)
            if found is not None:
                self.course, self.best = found
        self.resumed = self.course.epoch

    def _is_over(self) -> bool:
        course = self.course
        waited = course.epoch - course.best_epoch
        return not self._is_new() and waited >= self.schedule.patience

    def _is_new(self) -> bool:
        """Tell whether there are no weights yet but those of chance."""
        return self.course.best_epoch == 0 and not self.goes_on

    def _round(self) -> bool:
        """Go once over everything; tells whether to go on."""
        course = self.course
        loss, held_out, stopped = self._within_memory(self._once)
        if not math.isfinite(loss) or (held_out is not None and not math.isfinite(held_out)):
            self._roll_back(loss if held_out is None or not math.isfinite(loss) else held_out)
            return False
        course.epoch += 1
        course.losses.append(loss)
        reached = loss if held_out is None else held_out
        if reached < course.best_loss or (stopped and self._is_new()):
            course.best_epoch, course.best_loss = course.epoch, reached
            self._remember()
        elif (course.epoch - course.best_epoch) % self.schedule.rate_patience == 0:
            course.rate *= SHRINK
        return not stopped

    def _once(self) -> tuple[float, float | None, bool]:
        """Give the mean loss, that of what is held out, and whether the time was up before."""
        total, seen, stopped = self._steps()
        loss = total / max(seen, 1)
        return loss, self._held_out() if math.isfinite(loss) else None, stopped

    def _within_memory(self, work: Callable[[], Found]) -> Found:
        """Do what can begin again: with smaller batches, or on the CPU, where memory is short."""
        before = self._kept_beside() if self.on_accelerator else None
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                if before is None:
                    raise
                self._make_room(before)

    def _remember(self) -> None:
        """Keep the weights as the best ones, in the memory of those before."""
        for name, value in self.module.state_dict().items():
            self.best[name].copy_(value)

    def _kept_beside(self) -> Kept:
        """Give the weights and what the optimizers know, to begin a round again."""
        return _weights(self.module), [_state(optimizer) for optimizer in self.optimizers]

    def _steps(self) -> tuple[float, float, bool]:
        """Give the sum of the losses, how many, and whether the time was up before the end."""
        course, schedule = self.course, self.schedule
        rng = np.random.default_rng([schedule.seed, course.epoch])
        torch.manual_seed(schedule.seed * 100_003 + course.epoch)
        self.module.train()
        total, seen = 0.0, 0.0
        size = rows_a_step(course.batch_size, self.lesson)
        for batch in self.lesson.batches(rng, size):
            loss = self.lesson.loss(self.module, on_device(batch, self.device))
            value = float(loss.detach())
            if not math.isfinite(value):
                return value, 1.0, True
            self._step(loss)
            total, seen = total + value, seen + 1
            if time_is_up():
                return total, seen, True
        return total, seen, False

    def _step(self, loss: torch.Tensor) -> None:
        course = self.course
        course.step += 1
        warm = min(1.0, course.step / WARM_UP_STEPS)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        dense = [p for p in self.module.parameters() if p.grad is not None and not p.grad.is_sparse]
        nn.utils.clip_grad_norm_(dense, self.schedule.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = course.rate * warm
            optimizer.step()

    def _held_out(self) -> float | None:
        self.module.eval()
        with torch.no_grad():
            return self.lesson.held_out_loss(self.module, self.device)

    def _roll_back(self, loss: float) -> None:
        course = self.course
        if self._is_new():
            raise TrainingError(
                f"The loss must be finite, got {loss} in the first round. "
                f"Take a learning_rate below {self.schedule.learning_rate:g}."
            )
        warnings.warn(
            f"The loss was {loss} in round {course.epoch + 1}: learning ended with the weights of "
            f"round {course.best_epoch}. A learning_rate below {self.schedule.learning_rate:g} "
            "may learn longer.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _make_room(self, before: Kept) -> None:
        """Go back to what was kept, with smaller batches or on the CPU."""
        course = self.course
        if course.batch_size > LEAST_BATCH:
            course.batch_size = max(LEAST_BATCH, course.batch_size // 2)
            _warn_of_room(f"batches of {course.batch_size} rows")
        else:
            course.batch_size = self.schedule.batch_size
            self._to_processor()
        weights, states = before
        self.module.to(self.device).load_state_dict(weights)
        self.optimizers = _optimizers(self.module, self.schedule)
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _to_processor(self) -> None:
        self.device, self.on_accelerator = torch.device("cpu"), False
        _warn_of_room("the CPU")

    def _tell(self, started: float) -> None:
        course, schedule = self.course, self.schedule
        left = time_left(started, course.epoch - self.resumed, schedule.n_epochs - course.epoch)
        tell(
            f"round {course.epoch} of at most {schedule.n_epochs}, loss {course.losses[-1]:.4f}, "
            f"best in round {course.best_epoch}, {left}"
        )


def on_device(batch: Batch, device: torch.device) -> dict[str, torch.Tensor]:
    """Give the arrays of a batch as tensors."""
    return {name: torch.from_numpy(values).to(device) for name, values in batch.items()}


def _weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().to("cpu", copy=True) for name, value in module.state_dict().items()
    }


def _state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Give a copy of what an optimizer knows, on the CPU."""
    whole = copy.copy(optimizer.state_dict())
    whole["state"] = {
        place: {
            name: value.detach().to("cpu", copy=True) if torch.is_tensor(value) else value
            for name, value in values.items()
        }
        for place, values in whole["state"].items()
    }
    return whole


def _warn_of_room(told: str) -> None:
    warnings.warn(
        f"The device had no memory left: learning goes on with {told}.",
        RuntimeWarning,
        stacklevel=2,
    )


def _optimizers(module: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Give an optimizer of the weights, and one of the tables of which a step touches few rows."""
    tables = [
        part.weight
        for part in module.modules()
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.sparse
    ]
    known = {id(table) for table in tables}
    others = [weight for weight in module.parameters() if id(weight) not in known]
    found: list[torch.optim.Optimizer] = []
    if others:
        found.append(
            torch.optim.AdamW(
                others,
                lr=schedule.learning_rate,
                weight_decay=schedule.weight_decay,
                fused=True,
            )
        )
    if tables:
        found.append(torch.optim.SparseAdam(tables, lr=schedule.learning_rate))
    return found
