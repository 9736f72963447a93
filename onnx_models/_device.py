"""Where a network learns, and with how many threads: set for a block, as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from recsql.errors import ParameterError

DEVICES = ("auto", "cpu", "cuda")
NO_MEMORY = "allocate memory"  # in what torch says of the memory of the processor


def chosen_device(name: str) -> torch.device:
    """Give the device of a name: 'auto' takes CUDA where there is one.

    Raises
    ------
    ParameterError
        There is no such device.
    """
    if name not in DEVICES:
        raise ParameterError(f"device must be one of {', '.join(DEVICES)}, got {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device must be at hand, got 'cuda' without one. Use 'auto' or 'cpu'.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise MemoryError where torch finds no memory within the block: it has errors of its own."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or NO_MEMORY in str(error):
            raise MemoryError("torch found no memory") from error
        raise


@contextmanager
def reproducible(n_threads: int) -> Iterator[None]:
    """Let torch give the same result for the same seed within the block.

    The order in which sums are added depends on the number of threads, so it is part of the
    settings and not of the machine. The state of torch's generator is as it was afterwards.
    """
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.set_num_threads(n_threads)
    # As use_deterministic_algorithms(), which loads the compiler: 2 seconds.
    torch.set_deterministic_debug_mode("warn")
    memory.fill_uninitialized_memory = False  # nothing here reads what it did not write
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = filled
