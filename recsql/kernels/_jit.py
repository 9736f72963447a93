"""The one place with compiler options.

A kernel is compiled on its first call, kept in a cache on disk, and runs without the
interpreter lock, so that serial kernels run side by side in ordinary threads
(see ``_threads``). ``parallel=True`` is left out on purpose: numba's threading layers abort on
concurrent calls or hang a forked child.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Give the compiled form of a function of arrays; its signature stays what it was."""
    return cast(Kernel, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Emit the instruction that asks for a cache line."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        base = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(
            builder.gep(base.data, [arguments[1]]), ir.IntType(8).as_pointer()
        )
        number = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        name = "llvm.prefetch.p0i8"
        call = cgutils.get_or_insert_function(builder.module, shape, name)
        builder.call(call, [address, number(0), number(3), number(1)])  # to read, soon, as data
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate


@kernel
def prefetch(array: npt.NDArray[Any], index: np.uint64) -> None:
    """Ask for array[index] to be brought near; harmless wherever the index points."""
    _prefetch(array, index)
