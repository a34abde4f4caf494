"""Encryption on libsodium's ristretto255, called row by row from a compiled loop: one crossing out of Python.

``rbcl`` brings the library and calls it through ``ctypes``, one bytes object at a time. Here the same functions are
called by address without the GIL, so that threads help. All arithmetic on secrets is libsodium's and runs in constant
time; branches and addresses here depend on sizes only.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numba as nb
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from rbcl.rbcl import _sodium  # the loaded library itself; rbcl publishes only its wrappers

POINT: Final = 32
_REDUCE, _MUL, _ADD, _SUB, _BASE = range(5)
_U = np.uint64


def functions() -> npt.NDArray[np.uint64]:
    """The addresses of libsodium's functions in this process, which ``encrypt_rows`` takes first."""
    names = (
        "crypto_core_ristretto255_scalar_reduce",
        "crypto_core_ristretto255_scalar_mul",
        "crypto_core_ristretto255_scalar_add",
        "crypto_core_ristretto255_scalar_sub",
        "crypto_scalarmult_ristretto255_base",
    )
    return np.array([ctypes.cast(getattr(_sodium, name), ctypes.c_void_p).value for name in names], np.uint64)


def _caller(arity: int, returns: bool) -> Any:
    """An intrinsic that calls a C function of so many byte pointers by its address; the result is an int or nothing."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(32) if returns else ir.VoidType(), [pointer] * arity)
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        value = builder.call(function, [builder.inttoptr(argument, pointer) for argument in arguments[1:]])
        return value if returns else context.get_dummy_value()

    signature = (types.int32 if returns else types.void)(*([types.uint64] * (arity + 1)))
    if arity == 2:

        def two(typingctx: Any, address: Any, a: Any, b: Any) -> Any:
            return signature, codegen

        return intrinsic(two)

    def three(typingctx: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
        return signature, codegen

    return intrinsic(three)


_int2, _void2, _void3 = _caller(2, True), _caller(2, False), _caller(3, False)


@nb.njit(nogil=True, cache=True)
def encrypt_rows(call: Any, wide: Any, keys: Any, plus: Any, minus: Any, out: Any) -> int:
    """out[row] = rB, then (r x_i + plus_i - minus_i) B for each key x_i; returns how many r were 0.

    ``wide``: (n, 64) uniform bytes that become r. ``keys``: (k, 32) scalars. ``plus``, ``minus``: (n, k) uint64.
    ``out``: (n, 32 (k + 1)). That the key-holder knows x_i makes r x_i B + m B one multiplication of the fixed base.
    """
    r, t = np.zeros(POINT, np.uint8), np.zeros(POINT, np.uint8)
    value = np.zeros(4, np.uint64)
    at_r, at_t, at_value = _U(r.ctypes.data), _U(t.ctypes.data), _U(value.ctypes.data)
    zeros = 0
    for row in range(wide.shape[0]):
        _void2(call[_REDUCE], at_r, _U(wide[row].ctypes.data))
        zeros += _int2(call[_BASE], _U(out[row].ctypes.data), at_r) != 0
        for column in range(keys.shape[0]):
            _void3(call[_MUL], at_t, at_r, _U(keys[column].ctypes.data))
            value[0] = plus[row, column]
            _void3(call[_ADD], at_t, at_t, at_value)
            value[0] = minus[row, column]
            _void3(call[_SUB], at_t, at_t, at_value)
            # a return code here would mean the identity, which is as good a ciphertext as any other point
            _int2(call[_BASE], _U(out[row].ctypes.data) + _U(POINT * (column + 1)), at_t)
    r[:] = 0
    t[:] = 0
    value[:] = 0
    return zeros
