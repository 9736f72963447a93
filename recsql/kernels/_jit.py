"""The one place with compiler options.

A kernel is compiled on its first call, kept in a cache on disk, and runs without the
interpreter lock, so that serial kernels run side by side in ordinary threads
(see ``_threads``). ``parallel=True`` is left out on purpose: numba's threading layers abort on
concurrent calls or hang a forked child.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_njit: Any = numba.njit  # some versions of numba have types and some have none
_intrinsic: Any = intrinsic


def kernel(function: Kernel) -> Kernel:
    """Give the compiled form of a function of arrays; its signature stays what it was."""
    return _compiled(function)


def lean_kernel(function: Kernel) -> Kernel:
    """Give the compiled form of a function that makes no arrays.

    It does not count references, which otherwise happens, with locks that threads fight for,
    wherever a tuple of arrays is handed on.
    """
    return _compiled(function, _nrt=False)


def kernel_part(function: Kernel) -> Kernel:
    """Give the compiled form of a lean function that only kernels call: cheaper to compile."""
    return _compiled(function, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def summing_part(function: Kernel) -> Kernel:
    """Give a part whose sums may be grouped anew so that they fill the registers of vectors.

    On one processor the same numbers give the same bits, wherever they lie and whoever asks.
    """
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _compiled(function, _nrt=False, fastmath={"reassoc", "contract"}, **options)


def kernel_line(function: Kernel) -> Kernel:
    """Give a part of a line or two, copied into every kernel that calls it: no call at all."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
    return _compiled(function, _nrt=False, **options)


def _compiled(function: Kernel, **options: Any) -> Kernel:
    compiled = _njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    # numba asks only a kernel's own file whether the cache is out of date. Parts of other files
    # are compiled into it: a change of any file here has to compile all kernels again.
    cache_file: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, _stamp_of_all_kernels())
    return cast(Kernel, compiled)


@functools.cache
def _stamp_of_all_kernels() -> tuple[tuple[str, float, int], ...]:
    """Give name, time of change and size of every file in this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((file.name, file.stat().st_mtime, file.stat().st_size) for file in files)


def _emit_prefetch(_context: Any, array: Any, _index: Any) -> Any:
    """Describe the instruction that asks for a cache line to numba."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(base.data, [arguments[1]]), byte)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        builder.call(call, [address, number(0), number(3), number(1)])  # to read, soon, as data
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


def _emit_trailing_zeros(_context: Any, _word: Any) -> Any:
    """Describe the instruction that finds the lowest bit to numba."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), generate


def _emit_count_ones(_context: Any, _word: Any) -> Any:
    """Describe the instruction that counts bits to numba."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


_prefetch: Any = _intrinsic(_emit_prefetch)
_trailing_zeros: Any = _intrinsic(_emit_trailing_zeros)
_count_ones: Any = _intrinsic(_emit_count_ones)


@kernel_line
def prefetch(array: npt.NDArray[Any], index: np.uint64) -> None:
    """Ask for array[index] to be brought near; harmless wherever the index points."""
    _prefetch(array, index)


@kernel_line
def trailing_zeros(word: np.uint64) -> np.uint64:
    """Give the place of the lowest bit that is set: 0 to 63, and 64 for no bit."""
    place: np.uint64 = _trailing_zeros(word)
    return place


@kernel_line
def count_ones(word: np.uint64) -> np.uint64:
    """Give the number of bits that are set: 0 to 64."""
    number: np.uint64 = _count_ones(word)
    return number
