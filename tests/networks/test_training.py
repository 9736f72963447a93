"""What ends a training, what it goes on from, and that it can be repeated."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recsql.onnx_models import _training  # noqa: E402
from recsql.onnx_models._checkpoints import Checkpoint, checkpoint_of  # noqa: E402
from recsql.onnx_models._course import Course, Schedule  # noqa: E402
from recsql.onnx_models._device import (  # noqa: E402
    chosen_device,
    memory_errors,
    reproducible,
)
from recsql.onnx_models._training import train  # noqa: E402

from recsql.errors import ParameterError, TrainingError  # noqa: E402
from recsql.networks.leftovers import delete_leftovers, training_folder  # noqa: E402
from recsql.networks.limits import learning_until, told_to  # noqa: E402


class Line(torch.nn.Module):
    """A line through points: two weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.dropout = torch.nn.Dropout(0.1)


class Points:
    """Points near a plane; ``trouble`` is asked in each step, by round and number of the batch."""

    def __init__(self, trouble: Any = None, held_out: bool = True) -> None:
        rng = np.random.default_rng(7)
        self.x = rng.standard_normal((96, 3)).astype(np.float32)
        self.y = self.x @ np.array([1.0, -2.0, 0.5], dtype=np.float32)
        self.trouble, self.held_out = trouble, held_out
        self.round, self.sizes, self.n_rows, self.least_steps = 0, [], 64, 4

    def batches(self, rng: np.random.Generator, size: int) -> Iterator[Mapping[str, np.ndarray]]:
        self.round += 1
        order = rng.permutation(64)
        for start in range(0, 64, size):
            rows = order[start : start + size]
            self.sizes.append(len(rows))
            yield {"x": self.x[rows], "y": self.y[rows]}

    def loss(self, module: Line, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        found = module.layer(module.dropout(batch["x"]))[:, 0]
        loss = ((found - batch["y"]) ** 2).mean()
        return loss if self.trouble is None else self.trouble(self.round, loss)

    def held_out_loss(self, module: Line, device: torch.device) -> float | None:
        if not self.held_out:
            return None
        found = module.layer(torch.from_numpy(self.x[64:]))[:, 0]
        return float(((found - torch.from_numpy(self.y[64:])) ** 2).mean())


def test_of_few_rows_batches_are_smaller() -> None:
    for steps, size in ((4, 16), (6, 10), (1_000, 8)):
        points = Points()
        points.least_steps = steps
        train(Line(), points, schedule(n_epochs=1))
        assert points.sizes[0] == size


def schedule(**changes: Any) -> Schedule:
    settings = {
        "n_epochs": 5,
        "batch_size": 16,
        "learning_rate": 0.05,
        "weight_decay": 0.0,
        "clip": 5.0,
        "patience": 3,
        "rate_patience": 1,
        "seed": 1,
        "device": "cpu",
    }
    return Schedule(**(settings | changes))


def trained(lesson: Points, checkpoint: Checkpoint | None = None, **changes: Any) -> Any:
    with reproducible(1):
        torch.manual_seed(3)
        module = Line()
        return module, train(module, lesson, schedule(**changes), checkpoint)


def weights(module: Line) -> list[float]:
    return [
        float(value) for value in torch.cat([p.detach().flatten() for p in module.parameters()])
    ]


def test_what_is_learned_is_the_plane_and_the_same_every_time() -> None:
    module, course = trained(Points(), n_epochs=60, patience=60)
    assert weights(module)[:3] == pytest.approx([1.0, -2.0, 0.5], abs=0.3)
    assert not module.training
    assert course.best_epoch > 1
    assert weights(trained(Points(), n_epochs=60, patience=60)[0]) == weights(module)
    other, _ = trained(Points(), n_epochs=60, patience=60, seed=2)
    assert weights(other) != weights(module)


def test_a_loss_that_is_not_finite_gives_the_weights_of_the_best_round_back() -> None:
    def broken(number: int, loss: torch.Tensor) -> torch.Tensor:
        return loss * torch.inf if number == 3 else loss

    with pytest.warns(RuntimeWarning, match="The loss was inf in round 3: learning ended with"):
        module, course = trained(Points(broken))
    assert (course.epoch, course.best_epoch) == (2, 2)
    assert weights(module) == weights(trained(Points(), n_epochs=2)[0])


def test_a_loss_that_is_never_finite_is_refused_with_the_remedy() -> None:
    with pytest.raises(TrainingError, match=r"got nan in the first round. Take a learning_rate"):
        trained(Points(lambda _, loss: loss * torch.nan))


def test_the_rate_is_halved_after_so_many_rounds_without_a_gain() -> None:
    class Said(Points):
        def held_out_loss(self, module: Line, device: torch.device) -> float:
            return [1.0, 2.0, 2.0, 0.5, 2.0, 2.0, 2.0, 2.0][self.round - 1]

    for rate_patience, n_halved in ((1, 6), (2, 3), (3, 1), (5, 0)):
        asked = {"n_epochs": 8, "patience": 8, "rate_patience": rate_patience}
        _, course = trained(Said(), learning_rate=0.05, **asked)
        assert course.best_epoch == 4
        assert course.rate == 0.05 * 0.5**n_halved


def test_learning_ends_after_rounds_without_a_gain_and_keeps_the_best() -> None:
    module, course = trained(Points(), n_epochs=200, learning_rate=1.0, patience=2)
    assert course.epoch == course.best_epoch + 2
    assert course.rate < 1.0
    assert weights(module) == weights(
        trained(Points(), n_epochs=course.best_epoch, learning_rate=1.0, patience=200)[0]
    )


def test_without_a_held_out_part_the_loss_while_learning_decides() -> None:
    _, course = trained(Points(held_out=False), n_epochs=4)
    assert course.best_loss == min(course.losses)


def test_learning_ends_when_the_time_is_up_after_one_step_at_least() -> None:
    lesson = Points()
    with learning_until(time.perf_counter() - 1):
        _, course = trained(lesson)
    assert (course.step, course.best_epoch) == (1, 1)


def test_whoever_listens_hears_of_each_round() -> None:
    heard: list[str] = []
    with told_to(heard.append):
        trained(Points())
    assert len(heard) == 5
    assert heard[0].startswith("round 1 of at most 5, loss ")


def test_a_killed_training_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", -1.0)

    def killed(number: int, loss: torch.Tensor) -> torch.Tensor:
        if number == 4:
            raise KeyboardInterrupt
        return loss

    checkpoint = Checkpoint(tmp_path / "deep" / "one.npz")
    with pytest.raises(KeyboardInterrupt):
        trained(Points(killed), checkpoint)
    rest = Points()
    module, course = trained(rest, checkpoint)
    assert (rest.round, course.epoch) == (2, 5)  # rounds 4 and 5
    assert weights(module) == weights(trained(Points())[0])
    assert not checkpoint.path.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"half"])
def test_a_damaged_checkpoint_is_passed_over(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path / "one.npz")
    if content == b"half":
        monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", -1.0)
        monkeypatch.setattr(Checkpoint, "remove", lambda self: None)
        trained(Points(), checkpoint)
        whole = checkpoint.path.read_bytes()
        checkpoint.path.write_bytes(whole[: len(whole) // 2])
    else:
        checkpoint.path.write_bytes(content)
    lesson = Points()
    module, _ = trained(lesson, checkpoint)
    assert lesson.round == 5
    assert weights(module) == weights(trained(Points())[0])


def test_a_checkpoint_that_cannot_be_written_is_told_and_learning_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", -1.0)
    (tmp_path / "file").write_text("")
    checkpoint = Checkpoint(tmp_path / "file" / "one.npz")
    with pytest.warns(RuntimeWarning, match="How far a training is could not be written"):
        module, _ = trained(Points(), checkpoint)
    assert weights(module) == weights(trained(Points())[0])


def test_a_full_device_halves_the_batch_and_at_last_goes_on_with_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The processor stands for a device with room for no batch of more than 8 rows."""
    monkeypatch.setattr(_training, "LEAST_BATCH", 8)
    begin = _training._Training.__init__

    def on_a_device(self: Any, *given: Any) -> None:
        begin(self, *given)
        self.on_accelerator = True
        lesson.training = self

    monkeypatch.setattr(_training._Training, "__init__", on_a_device)
    room = 8

    class Full(Points):
        def loss(self, module: Line, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
            if self.training.on_accelerator and len(batch["x"]) > room:
                raise torch.OutOfMemoryError("no room")
            return super().loss(module, batch)

    lesson: Any = Full()
    with pytest.warns(RuntimeWarning, match="learning goes on with batches of 8 rows"):
        _, course = trained(lesson, n_epochs=1)
    assert (course.batch_size, course.step) == (8, 8)
    room = 0
    lesson = Full()
    with pytest.warns(RuntimeWarning) as told:
        _, course = trained(lesson, n_epochs=1)
    assert [str(one.message).rsplit("with ")[-1] for one in told] == [
        "batches of 8 rows.",
        "the CPU.",
    ]
    assert (course.batch_size, course.step) == (16, 4)


def test_a_full_device_lets_the_processor_learn_from_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the first batch: the weights have no room, or what is asked of them before."""
    monkeypatch.setattr(_training, "chosen_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(_training, "LEAST_BATCH", 16)

    class Heavy(Line):
        def to(self, *given: Any, **named: Any) -> Any:
            if given == (torch.device("cuda"),):
                raise torch.OutOfMemoryError("no room")
            return super().to(*given, **named)

    with pytest.warns(RuntimeWarning, match="learning goes on with the CPU"):
        course = train(Heavy(), Points(), schedule(n_epochs=1))
    assert course.epoch == 1

    class Light(Line):
        def to(self, *given: Any, **named: Any) -> Any:
            return self if given == (torch.device("cuda"),) else super().to(*given, **named)

    class Asked(Points):
        def held_out_loss(self, module: Line, device: torch.device) -> float | None:
            if device.type != "cpu":
                raise torch.OutOfMemoryError("no room")
            return super().held_out_loss(module, device)

    with pytest.warns(RuntimeWarning, match="learning goes on with the CPU"):
        course = train(Light(), Asked(), schedule(n_epochs=1), goes_on=True)
    assert course.epoch == 1


def test_a_processor_without_memory_is_an_error_of_memory() -> None:
    with pytest.raises(MemoryError, match="torch found no memory"), memory_errors():
        torch.empty(2**50, dtype=torch.uint8)
    with pytest.raises(MemoryError, match="torch found no memory"), memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes differ")


def test_what_killed_trainings_left_is_deleted_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    delete_leftovers()  # there is no folder yet
    training_folder().mkdir(parents=True)
    for name, days in (("old.npz", 8), ("old.1.tmp", 9), ("new.npz", 1)):
        path = training_folder() / name
        path.write_bytes(b"weights")
        at = time.time() - days * 86_400
        os.utime(path, (at, at))
    checkpoint_of("settings", [np.zeros(3)])
    assert [path.name for path in training_folder().iterdir()] == ["new.npz"]
    delete_leftovers(days=0)
    assert list(training_folder().iterdir()) == []


def test_the_device_is_chosen_by_name() -> None:
    assert chosen_device("cpu").type == "cpu"
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ParameterError, match="device must be one of auto, cpu, cuda, got 'tpu'"):
        chosen_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="got 'cuda' without one"):
            chosen_device("cuda")


def test_torch_is_as_it_was_after_learning() -> None:
    before = torch.get_num_threads(), torch.random.get_rng_state()
    trained(Points())
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_course_holds_plain_numbers() -> None:
    _, course = trained(Points())
    assert isinstance(course, Course)
    assert all(isinstance(value, float) for value in course.losses)
