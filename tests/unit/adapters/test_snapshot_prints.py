"""The print of a row: of all that is no secret, the same in any file, order and way of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adapters.snapshot.build import Layout, build
from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.prints import PRINT, prints_of
from adapters.snapshot.read import Snapshot, SnapshotRows

KEY = bytes(range(32))
COLUMNS = (
    StoredColumn(name="who", kind="string"),
    StoredColumn(name="town", kind="string", values=("a", "b")),
    StoredColumn(name="visit", kind="int"),
    StoredColumn(name="ill", kind="bool"),
)
ROWS = [
    {"who": f"p{n % 3}", "town": (None, "a", "b")[n % 3 if n < 9 else n % 2], "visit": n, "ill": n % 5 == 0}
    for n in range(30)
]


def prints(folder: Path, rows: list[dict[str, Any]], key: bytes = KEY, **more: Any) -> dict[int, int]:
    """By visit."""
    layout = Layout("t", "d", "who", "person", COLUMNS, key, printed=("town", "visit"))
    ref = build(folder, layout, "v", pa.Table.from_pylist(rows).to_batches(max_chunksize=4), len(rows), **more)
    found = SnapshotRows(Snapshot(ref)).read(["visit", PRINT.name]).read_all()
    return dict(zip(found["visit"].to_pylist(), found[PRINT.name].to_pylist(), strict=True))


def test_a_print_is_the_same_in_another_order_in_other_parts_and_with_other_secrets(tmp_path: Path) -> None:
    before = prints(tmp_path / "a", ROWS)
    assert len(set(before.values())) == len(ROWS)
    turned = [row | {"ill": not row["ill"]} for row in reversed(ROWS[3:])]
    assert prints(tmp_path / "b", turned, parts=4, memory=1).items() <= before.items()


def test_another_known_value_unit_or_key_is_another_print(tmp_path: Path) -> None:
    before = prints(tmp_path / "a", ROWS)
    moved = [row | {"town": "b" if row["town"] == "a" else "a"} for row in ROWS]
    others = [row | {"who": "somebody"} for row in ROWS]
    for number, after in enumerate([prints(tmp_path / "b", moved), prints(tmp_path / "c", others),
                                    prints(tmp_path / "d", ROWS, bytes(32))]):  # fmt: skip
        assert not set(after.items()) & set(before.items()), number


def test_a_code_is_its_text_and_a_number_has_its_digits() -> None:
    codes, texts = pa.array([1, None, 0], pa.uint8()), pa.array(["b", None, "a"], pa.large_utf8())
    plain = StoredColumn(name="town", kind="string")
    np.testing.assert_array_equal(
        prints_of({"town": codes}, [COLUMNS[1]], 3, KEY), prints_of({"town": texts}, [plain], 3, KEY)
    )
    whole, tenths = (StoredColumn(name="x", kind="decimal", decimals=digits) for digits in (0, 1))
    fives = {"x": pa.array([5, None])}
    assert (prints_of(fives, [whole], 2, KEY) != prints_of(fives, [tenths], 2, KEY)).all()
