"""Arithmetic modulo p = 2^255 - 19 on eight elements at once, as SIMD code that LLVM lowers to whatever the CPU has.

The technique is coarse-grained batching (Cheng, Grossschaedl, Tian, Roenne, Ryan, "High-Throughput Elliptic Curve
Cryptography Using AVX2 Vector Instructions", SAC 2020): one lane holds one whole element, so no lane ever waits for
another, and there is no branch and no memory address that depends on a value. An element is ten limbs of 26 and 25 bits
in turn (radix 2^25.5, as Bernstein's curve25519 paper), each in its own 64-bit lane; a product of two limbs is one
32x32->64 multiplication. A *slot* is 10 limbs x 8 lanes = 640 bytes of scratch memory, named by its address.

Bounds that every function below keeps: ``mul``, ``square``, ``small`` return *reduced* slots (even limbs < 2^26 +
2^13, odd < 2^25 + 2^13). ``add`` and ``sub`` of reduced slots are *loose* (limbs < 2^27.6); ``mul`` and ``square`` take
loose ones, the second operand of ``sub`` must be reduced. Worst case inside ``mul``: 7.5 terms of
2^27.6 * 19 * 2^27.6 < 2^63.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES: Final = 8
LIMBS: Final = 10
SLOT: Final = LIMBS * LANES * 8
BITS: Final = (26, 25) * 5

_I64 = ir.IntType(64)
_LANE = ir.VectorType(_I64, LANES)
# 2p in this radix: added before a subtraction so that no limb goes below zero
_TWO_P: Final = (0x7FFFFDA, *((0x3FFFFFE, 0x7FFFFFE) * 4), 0x3FFFFFE)
_A24: Final = 121665

Emit = Callable[..., None]


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_LANE, [value] * LANES)


def _limb_at(builder: Any, slot: Any, index: int) -> Any:
    address = builder.add(slot, _I64(index * LANES * 8))
    return builder.inttoptr(address, ir.PointerType(_LANE))


def _load(builder: Any, slot: Any) -> list[Any]:
    return [builder.load(_limb_at(builder, slot, i), align=8) for i in range(LIMBS)]


def _store(builder: Any, slot: Any, limbs: list[Any]) -> None:
    for i, limb in enumerate(limbs):
        builder.store(limb, _limb_at(builder, slot, i), align=8)


def _low32(builder: Any, value: Any) -> Any:
    # tells LLVM that 32x32->64 is enough; the mask itself costs nothing once it picks that instruction
    return builder.and_(value, _constant(0xFFFFFFFF))


def _carry(builder: Any, limbs: list[Any]) -> list[Any]:
    """Reduce 63-bit limbs: two interleaved carry chains, then 2^255 = 19 from the top limb to the lowest."""
    for i in (0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 9, 0):
        over = builder.lshr(limbs[i], _constant(BITS[i]))
        limbs[i] = builder.and_(limbs[i], _constant((1 << BITS[i]) - 1))
        if i == 9:  # over may exceed 32 bits here: times 19 by shifts
            over = builder.add(
                builder.add(builder.shl(over, _constant(4)), builder.shl(over, _constant(1))),
                over,
            )
        limbs[(i + 1) % LIMBS] = builder.add(limbs[(i + 1) % LIMBS], over)
    return limbs


def _emit_mul(builder: Any, out: Any, left: Any, right: Any) -> None:
    a = [_low32(builder, limb) for limb in _load(builder, left)]
    b = [_low32(builder, limb) for limb in _load(builder, right)]
    twice = [_low32(builder, builder.shl(limb, _constant(1))) for limb in a]
    folded = [_low32(builder, builder.mul(limb, _constant(19))) for limb in b]
    sums: list[Any] = [None] * LIMBS
    for i in range(LIMBS):
        for j in range(LIMBS):
            # limbs at odd places are worth half a bit more than 25.5 * place says: two of them give a factor 2
            x = twice[i] if i % 2 and j % 2 else a[i]
            y = folded[j] if i + j >= LIMBS else b[j]
            term, k = builder.mul(x, y), (i + j) % LIMBS
            sums[k] = term if sums[k] is None else builder.add(sums[k], term)
    _store(builder, out, _carry(builder, sums))


def _emit_square(builder: Any, out: Any, of: Any) -> None:
    a = [_low32(builder, limb) for limb in _load(builder, of)]
    twice = [_low32(builder, builder.shl(limb, _constant(1))) for limb in a]
    folded = [_low32(builder, builder.mul(limb, _constant(19))) for limb in a]
    sums: list[Any] = [None] * LIMBS
    for i in range(LIMBS):
        for j in range(i, LIMBS):
            x = twice[i] if i != j or i % 2 else a[i]
            y = folded[j] if i + j >= LIMBS else a[j]
            term, k = builder.mul(x, y), (i + j) % LIMBS
            if i != j and i % 2 and j % 2:
                term = builder.shl(term, _constant(1))
            sums[k] = term if sums[k] is None else builder.add(sums[k], term)
    _store(builder, out, _carry(builder, sums))


def _emit_add(builder: Any, out: Any, left: Any, right: Any) -> None:
    pairs = zip(_load(builder, left), _load(builder, right), strict=True)
    _store(builder, out, [builder.add(a, b) for a, b in pairs])


def _emit_sub(builder: Any, out: Any, left: Any, right: Any) -> None:
    triples = zip(_load(builder, left), _load(builder, right), _TWO_P, strict=True)
    _store(builder, out, [builder.sub(builder.add(a, _constant(p)), b) for a, b, p in triples])


def _emit_small(builder: Any, out: Any, of: Any) -> None:
    limbs = [builder.mul(_low32(builder, a), _constant(_A24)) for a in _load(builder, of)]
    _store(builder, out, _carry(builder, limbs))


def _emit_swap(builder: Any, one: Any, other: Any, mask: Any) -> None:
    lanes = builder.insert_element(ir.Constant(_LANE, ir.Undefined), mask, ir.IntType(32)(0))
    lanes = builder.shuffle_vector(
        lanes, ir.Constant(_LANE, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    )
    a, b = _load(builder, one), _load(builder, other)
    flips = [builder.and_(builder.xor(x, y), lanes) for x, y in zip(a, b, strict=True)]
    _store(builder, one, [builder.xor(x, f) for x, f in zip(a, flips, strict=True)])
    _store(builder, other, [builder.xor(y, f) for y, f in zip(b, flips, strict=True)])


def _slot_function(name: str, arity: int, emit: Emit) -> Any:
    """Return an intrinsic that calls one shared, never inlined LLVM function on slot addresses."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [_I64] * arity)
            function = ir.Function(builder.module, kind, name)
            function.linkage = "internal"
            function.attributes.add("noinline")
            body = ir.IRBuilder(function.append_basic_block("entry"))
            emit(body, *function.args)
            body.ret_void()
        builder.call(function, arguments)
        return context.get_dummy_value()

    signature = types.void(*([types.uint64] * arity))
    if arity == 2:

        def two(typingctx: Any, a: Any, b: Any) -> Any:
            return signature, codegen

        return intrinsic(two)

    def three(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
        return signature, codegen

    return intrinsic(three)


mul = _slot_function("unseen_fe25519_mul", 3, _emit_mul)
"""mul(out, a, b): out = a * b. Slots may be the same."""
square = _slot_function("unseen_fe25519_square", 2, _emit_square)
"""square(out, a): out = a^2."""
add = _slot_function("unseen_fe25519_add", 3, _emit_add)
"""add(out, a, b): out = a + b, loose."""
sub = _slot_function("unseen_fe25519_sub", 3, _emit_sub)
"""sub(out, a, b): out = a - b, loose; b reduced."""
small = _slot_function("unseen_fe25519_small", 2, _emit_small)
"""small(out, a): out = 121665 * a, the ladder's constant (RFC 7748 section 5)."""
swap = _slot_function("unseen_fe25519_swap", 3, _emit_swap)
"""swap(a, b, mask): exchange two slots if mask is all ones, keep them if it is 0, in the same time."""
