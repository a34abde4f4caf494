"""What a snapshot stores of a declared column: scaled integers, codes, dates; every value checked on the way in."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from adapters.errors import BadSource

Kind = Literal["int", "decimal", "string", "bool", "date", "timestamp"]
SCALED = b"unseen.scaled"
"""Field metadata: the integers are the declared numbers times 10^decimals already."""


class StoredColumn(BaseModel):
    """One declared column. ``low``, ``high``: inclusive, in stored integers (scaled; days; microseconds since 1970).

    ``values``: a text's declared domain in order; stored are its positions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    kind: Kind
    decimals: int = 0
    rounded: bool = False
    nullable: bool = True
    values: tuple[str, ...] | None = None
    low: int | None = None
    high: int | None = None

    @property
    def type(self) -> pa.DataType:
        """How it lies on disk."""
        match self.kind:
            case "int" | "decimal":
                return _narrowest(self.low, self.high)
            case "string":
                return pa.large_utf8() if self.values is None else _narrowest(0, len(self.values))
            case "bool":
                return pa.bool_()
            case "date":
                return pa.date32()
            case "timestamp":
                return pa.timestamp("us")

    @property
    def field(self) -> pa.Field:
        """How readers see it: codes as a dictionary of the declared texts."""
        scaled = {SCALED: str(self.decimals).encode()} if self.kind in ("int", "decimal") else None
        type_ = self.type if self.values is None else pa.dictionary(self.type, pa.utf8())
        return pa.field(self.name, type_, metadata=scaled)

    def shown(self, stored: pa.Array) -> pa.Array:
        """A stored array as ``field`` says, without copying it."""
        if self.values is None:
            return stored
        return pa.DictionaryArray.from_arrays(stored, pa.array(self.values, pa.utf8()))

    def store(self, array: pa.Array) -> pa.Array:
        """Values as they come from a source, in ``type``; raises ``BadSource`` naming the column, never a value."""
        try:
            stored = self._converted(array)
        except (pa.ArrowException, OverflowError):
            raise self._refused() from None
        if stored.null_count and not self.nullable:
            raise self._refused()
        return stored

    def _converted(self, array: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(array.type):
            if self.kind == "string" and self.values is not None and array.dictionary.null_count == 0:
                return self._coded(self._positions(array.dictionary).take(array.indices), array)
            array = array.dictionary_decode()
        match self.kind:
            case "int" | "decimal":
                return self._bounded(self._number(array)).cast(self.type)
            case "string":
                return self._text(array)
            case "bool":
                return array.cast(pa.bool_())
            case "date":
                return self._bounded(self._date(array), pa.int32())
            case "timestamp":
                return self._bounded(_micros(array), pa.int64())

    def _number(self, array: pa.Array) -> pa.Array:
        unit = 10**self.decimals
        if pa.types.is_integer(array.type):
            whole = array.cast(pa.int64())
            return whole if unit == 1 else pc.multiply_checked(whole, unit)
        if pa.types.is_floating(array.type):
            return self._from_float(array.cast(pa.float32()) if pa.types.is_float16(array.type) else array, unit)
        if pa.types.is_decimal(array.type):
            wide = array.cast(pa.decimal128(38, max(array.type.scale, self.decimals)))
            exact = pc.round(wide, self.decimals, round_mode="half_towards_infinity")
            if not self.rounded:
                self._all(pc.equal(exact, wide))
            return self._unscaled(exact.cast(pa.decimal128(38, self.decimals)))
        raise self._refused()

    def _from_float(self, array: pa.Array, unit: int) -> pa.Array:
        """A float counts as the decimal with the declared digits if it is the float nearest to it."""
        wide = array.cast(pa.float64())
        scaled = pc.round(pc.multiply(wide, float(unit)), round_mode="half_towards_infinity")
        whole = scaled.cast(pa.int64())  # refuses what is not finite or too large
        if not self.rounded:
            self._all(pc.equal(pc.divide(whole.cast(pa.float64(), safe=False), float(unit)).cast(array.type), array))
        return whole

    def _unscaled(self, array: pa.Array) -> pa.Array:
        """A decimal's integer, as Arrow holds it in 128 bits."""
        halves = np.frombuffer(array.buffers()[1], dtype="<i8")[2 * array.offset : 2 * (array.offset + len(array))]
        low, high = halves[0::2], halves[1::2]
        known = validity(array)
        if np.any((high != low >> 63) & (True if known is None else known)):
            raise self._refused()
        return pa.array(low, mask=None if known is None else ~known)

    def _text(self, array: pa.Array) -> pa.Array:
        texts = array.cast(pa.large_utf8())
        return texts if self.values is None else self._coded(self._positions(texts), array)

    def _positions(self, texts: pa.Array) -> pa.Array:
        values = pa.array(self.values, pa.large_utf8())
        return pc.index_in(texts.cast(pa.large_utf8()), value_set=values, skip_nulls=True)

    def _coded(self, positions: pa.Array, array: pa.Array) -> pa.Array:
        if positions.null_count != array.null_count:
            raise self._refused()
        return positions.cast(self.type)

    def _date(self, array: pa.Array) -> pa.Array:
        if pa.types.is_timestamp(array.type):
            micros = _micros(array)
            self._all(pc.equal(micros.cast(pa.date32()).cast(pa.timestamp("us")), micros))
            return micros.cast(pa.date32())
        return array.cast(pa.date32())

    def _bounded(self, array: pa.Array, raw: pa.DataType | None = None) -> pa.Array:
        ends = pc.min_max(array.view(raw) if raw is not None else array).as_py()
        for value in ends.values():
            if value is not None and not (self._least() <= value <= self._most()):
                raise self._refused()
        return array

    def _least(self) -> int:
        return -(1 << 63) if self.low is None else self.low

    def _most(self) -> int:
        return (1 << 63) - 1 if self.high is None else self.high

    def _all(self, truth: pa.Array) -> None:
        if pc.all(truth).as_py() is False:  # none is true of no value
            raise self._refused()

    def _refused(self) -> BadSource:
        return BadSource(
            f"column {self.name} holds a value that its declaration does not allow: register the data again"
        )


def integers(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The integers behind a stored array (not of texts or booleans) as they lie in memory; anything where null."""
    width = array.type.bit_width // 8
    kind = "u" if pa.types.is_unsigned_integer(array.type) else "i"
    found = np.frombuffer(array.buffers()[1], dtype=f"{kind}{width}")
    return found[array.offset : array.offset + len(array)]


def validity(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """Which values are not null; ``None`` for all."""
    if array.null_count == 0:
        return None
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = array.is_valid().to_numpy(zero_copy_only=False)
    return found


def _micros(array: pa.Array) -> pa.Array:
    """Wall time without a zone, in microseconds; finer digits are cut off, as a scan of the file cuts them off."""
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit))
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        return pc.floor_temporal(array, unit="microsecond").cast(pa.timestamp("us"))
    return array.cast(pa.timestamp("us"))


def _narrowest(low: int | None, high: int | None) -> pa.DataType:
    if low is None or high is None:
        return pa.int64()
    signed = (pa.int8(), pa.int16(), pa.int32())
    unsigned = (pa.uint8(), pa.uint16(), pa.uint32())
    for bits, type_ in zip((8, 16, 32), unsigned if low >= 0 else signed, strict=True):
        least, most = (0, (1 << bits) - 1) if low >= 0 else (-(1 << bits - 1), (1 << bits - 1) - 1)
        if least <= low and high <= most:
            return type_
    return pa.int64()
