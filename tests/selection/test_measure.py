"""Seconds, memory and calls are measured as they say."""

from __future__ import annotations

import mmap
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsql.errors import ParameterError
from recsql.metrics.cost import Latency
from recsql.selection import measure
from recsql.selection.measure import Measured, rows_per_second, time_calls

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the memory of Linux")
MEGABYTES = 1 << 20


def fill(megabytes: int, seconds: float = 0.0) -> int:
    """Touch memory that is new to the process, hold it for a while and give it back."""
    with mmap.mmap(-1, megabytes * MEGABYTES) as memory:
        held = np.frombuffer(memory, dtype=np.uint8)
        held[:] = 1
        time.sleep(seconds)
        size = len(held)
        del held
    return size


def test_seconds_are_those_of_the_block() -> None:
    with Measured() as cost:
        time.sleep(0.02)
    assert 0.02 <= cost.seconds < 5


@LINUX
@pytest.mark.parametrize("set_back", [False, True])
def test_memory_that_was_given_back_before_the_end_is_found(set_back: bool) -> None:
    with Measured(set_back=set_back) as cost:
        fill(96, seconds=0.1)
    assert 90 * MEGABYTES < cost.peak_bytes < 200 * MEGABYTES


@LINUX
def test_a_block_that_takes_nothing_adds_almost_nothing_after_a_large_one() -> None:
    fill(96)
    with Measured() as cost:
        time.sleep(0.01)
    assert 0 <= cost.peak_bytes < 16 * MEGABYTES


@LINUX
def test_a_record_that_the_block_raised_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_PERIOD_SECONDS", 3600)  # never looks
    if not measure._set_back_record():
        pytest.skip("this system does not let a process set its record back")
    with Measured() as cost:
        fill(96)
    assert cost.exact
    assert 90 * MEGABYTES < cost.peak_bytes < 200 * MEGABYTES


@LINUX
def test_a_peak_below_an_old_record_needs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(256)
    with Measured() as cost:
        fill(64, seconds=0.1)
    assert not cost.exact
    assert 60 * MEGABYTES < cost.peak_bytes < 150 * MEGABYTES


@LINUX
def test_setting_the_record_back_finds_what_no_look_could(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(256)
    monkeypatch.setattr(measure, "_PERIOD_SECONDS", 3600)
    with Measured(set_back=True) as cost:
        fill(64)
    if not cost.exact:
        pytest.skip("this system does not let a process set its record back")
    assert 60 * MEGABYTES < cost.peak_bytes < 150 * MEGABYTES


def test_where_the_memory_of_now_is_unknown_the_rise_of_the_record_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = iter([500, 800])
    monkeypatch.setattr(measure, "_resident_bytes", lambda: 0)
    monkeypatch.setattr(measure, "_record_bytes", lambda: next(records))
    with Measured() as cost:
        pass
    assert (cost.peak_bytes, cost.exact) == (300, True)


def test_where_nothing_is_known_the_memory_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_resident_bytes", lambda: 0)
    monkeypatch.setattr(measure, "_record_bytes", lambda: 0)
    with Measured() as cost:
        pass
    assert (cost.peak_bytes, cost.exact) == (0, False)


@LINUX
def test_the_record_of_usage_is_that_of_the_system() -> None:
    assert measure._record_of_usage() >= measure._record_bytes() - 4 * MEGABYTES
    assert measure._record_of_usage() < 100 * measure._record_bytes()


def test_without_the_module_resource_there_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert measure._record_of_usage() == 0


def test_without_files_of_the_system_other_ways_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError(tmp_path)

    monkeypatch.setattr("builtins.open", absent)
    assert measure._resident_bytes() == 0
    assert not measure._set_back_record()
    assert measure._record_bytes() == measure._record_of_usage()


def test_an_error_in_the_block_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError), Measured() as cost:
        _ = 1 / 0
    assert cost.seconds >= 0


class Clock:
    """A clock that goes only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)


def test_calls_are_timed_one_by_one_after_a_first_that_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, asked = Clock(monkeypatch), []

    def ask(place: int) -> None:
        clock.now += 100.0 if not asked else 2.0 if place == 3 else 0.5
        asked.append(place)

    found = time_calls(ask, 10)
    assert asked == [0, *range(10)]
    assert found == Latency(0.5, 2.0, 10)


def test_rows_a_second_is_rows_over_the_median_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, took = Clock(monkeypatch), iter([50.0, 4.0, 2.0, 1.0])

    def ask() -> None:
        clock.now += next(took)

    assert rows_per_second(ask, 100) == 50.0  # 100 rows in 2 seconds, the first did not count


def test_rows_in_no_measurable_time_are_a_finite_number(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    assert 100 < rows_per_second(lambda: None, 100) < float("inf")


@pytest.mark.parametrize(("name", "counts"), [("n_rows", (0, 3)), ("repeats", (5, 0))])
def test_there_must_be_something_to_time(name: str, counts: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match=f"{name} must be at least 1, got 0"):
        rows_per_second(lambda: None, *counts)
    with pytest.raises(ParameterError, match="n_calls must be at least 1, got 0"):
        time_calls(lambda _: None, 0)
