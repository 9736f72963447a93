"""How far a training is, on disk: written whole or not at all, without pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from recsql.networks.leftovers import delete_leftovers, training_folder
from recsql.version import __version__

from ._course import Course

Array = np.ndarray[Any, np.dtype[Any]]


def checkpoint_of(settings: object, data: Iterable[Array]) -> Checkpoint:
    """Give the checkpoint of these settings and this data, in the user's cache directory."""
    delete_leftovers()
    found = hashlib.sha256(repr((settings, torch.__version__, __version__)).encode())
    for array in data:
        found.update(str((array.dtype, array.shape)).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return Checkpoint(training_folder() / f"{found.hexdigest()[:32]}.npz")


class Checkpoint:
    """A file with the weights, the best ones, the state of the optimizers and the course."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(
        self,
        course: Course,
        module: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        best: dict[str, torch.Tensor],
    ) -> None:
        """Write the file in place of what was there; where the disk is full there is none."""
        arrays = {f"weight/{name}": value for name, value in module.state_dict().items()}
        arrays |= {f"best/{name}": value for name, value in best.items()}
        for number, optimizer in enumerate(optimizers):
            for place, state in optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    arrays[f"state/{number}/{place}/{name}"] = torch.as_tensor(value)
        text = np.frombuffer(json.dumps(asdict(course)).encode(), dtype=np.uint8)
        beside = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                np.savez(file, course=text, **{k: v.cpu().numpy() for k, v in arrays.items()})
            beside.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            warnings.warn(
                f"How far a training is could not be written: {error}. If it is killed now, it "
                "begins anew.",
                RuntimeWarning,
                stacklevel=2,
            )

    def read(
        self,
        module: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        device: torch.device,
    ) -> tuple[Course, dict[str, torch.Tensor]] | None:
        """Take back what was written; None where there is nothing, or nothing that fits."""
        before = {name: value.clone() for name, value in module.state_dict().items()}
        states = [optimizer.state_dict() for optimizer in optimizers]
        try:
            with self.path.open("rb") as content, np.load(content, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            course = Course(**json.loads(found.pop("course").tobytes()))
            weights = _named(found, "weight/")
            module.load_state_dict(weights)
            for number, optimizer in enumerate(optimizers):
                _restore(optimizer, _named(found, f"state/{number}/"), device)
        except FileNotFoundError:
            return None
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            TypeError,
            EOFError,
            zipfile.BadZipFile,
        ):
            module.load_state_dict(before)  # of another version, or damaged: learning begins anew
            for optimizer, state in zip(optimizers, states, strict=True):
                optimizer.load_state_dict(state)
            return None
        return course, _named(found, "best/")

    def remove(self) -> None:
        """Delete the file."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _named(arrays: dict[str, Array], start: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(start): torch.from_numpy(np.array(values))
        for name, values in arrays.items()
        if name.startswith(start)
    }


def _restore(
    optimizer: torch.optim.Optimizer, values: dict[str, torch.Tensor], device: torch.device
) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in values.items():
        place, key = name.split("/")
        state.setdefault(int(place), {})[key] = value if key == "step" else value.to(device)
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
