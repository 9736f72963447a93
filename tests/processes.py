"""Run a script in a process of its own, and work in several threads at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).parent)


def run(folder: Path, script: str, *arguments: object, seconds: int = 180) -> str:
    """Run a script in a process of its own; gives what it printed."""
    done = subprocess.run(
        command(folder, script, *arguments),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    return done.stdout


needs_chosen_cores = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here"
)


def printed_on(n_cores: int, script: str) -> list[str]:
    """Run a script on so many cores; gives the words it printed."""
    cores = set(sorted(os.sched_getaffinity(0))[:n_cores])
    path = os.pathsep.join([*(str(folder) for folder in Path(HERE).iterdir()), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"OPENBLAS_NUM_THREADS": str(n_cores), "PYTHONPATH": path},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def command(folder: Path, script: str, *arguments: object) -> list[str]:
    """Give the command that runs a script; from a file, because DuckDB chats with ``python -c``."""
    file = folder / f"script_{abs(hash(script))}.py"
    file.write_text(f"import sys\nsys.path.insert(0, {HERE!r})\n{script}")
    return [sys.executable, str(file), *map(str, arguments)]


def in_threads(work: Callable[[int], Any], n: int) -> list[Any]:
    """Start ``work`` at the same moment in n threads; gives the results, or what was raised."""
    barrier, results = threading.Barrier(n), [None] * n

    def start(number: int) -> None:
        barrier.wait()
        try:
            results[number] = work(number)
        except Exception as error:  # compared by the test
            results[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=start, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
