"""An owner checks a declaration and its data at home, and values of the data stay there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.catalogue.describe import UNSTATED
from sandbox.local.layout import Places, lay_out
from sandbox.local.processes import Processes
from tests.support.cli import Person, owner

CANARY = "canary-4711"
ALONE = Person({})
ROWS = [f"p{n},{'north' if n % 2 else 'south'},{n % 40},{n % 7}.5" for n in range(60)]


def table(folder: Path, name: str, rows: list[str]) -> Path:
    file = folder / f"{name}.csv"
    file.write_text("\n".join(["patient,ward,age,cost", *rows, ""]))
    return file


def drafted(folder: Path, data: Path, **changed: Any) -> Path:
    """A draft that its owner has corrected."""
    file = data.with_suffix(".yaml")
    ALONE("data", "describe", data, "--name", "visits", "--unit", "patient", "--out", file)
    value = {**yaml.safe_load(file.read_text()), "legal_basis": "the statistics act", **changed}
    file.write_text(yaml.safe_dump(value, sort_keys=False))
    return file


def test_what_is_as_declared_passes_and_nothing_is_written(tmp_path: Path) -> None:
    data = table(tmp_path, "a", ROWS)
    file = drafted(tmp_path, data)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert ALONE.json("data", "check", file, data) == {"faults": [], "rows": 60}
    assert "as declared" in ALONE("data", "check", file).out
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_all_faults_are_listed_with_column_rows_and_examples(tmp_path: Path) -> None:
    """A text among numbers, a word outside the domain, a number outside the bounds, a repeated key, a draft's basis."""
    file = drafted(tmp_path, table(tmp_path, "a", ROWS), unique_keys=[["patient"]], legal_basis=UNSTATED)
    bad = [*ROWS, "p60,east,1,1.5", f"p61,{CANARY},1,2.5", "p62,north,old,1.5", "p0,north,1,99999.5"]
    found = ALONE.json("data", "check", file, table(tmp_path, "b", bad), code=1)["faults"]
    by_column = {fault["column"]: fault for fault in found if fault["column"]}
    assert by_column["ward"]["rows"] == 2
    assert by_column["ward"]["examples"] == ["row 61: 'east'", f"row 62: '{CANARY}'"]
    assert "row 63" in by_column["age"]["text"]
    assert by_column["cost"]["examples"] == ["row 64: 99999.5"]
    assert by_column["cost"]["text"] == "cost is outside its bounds in 1 row(s)"
    assert any(fault["examples"] == ["'p0': 2 rows"] for fault in found if "declared unique" in fault["text"])
    assert any("legal_basis" in fault["text"] for fault in found)
    shown = ALONE("data", "check", file, tmp_path / "b.csv", code=1).out
    assert CANARY in shown


def test_all_faults_of_the_file_are_named_by_column(tmp_path: Path) -> None:
    file = drafted(tmp_path, table(tmp_path, "a", ROWS))
    value = yaml.safe_load(file.read_text())
    value["columns"][2] |= {"role": "secret", "bounds": {"low": 0, "high": "9"}, "colour": "red"}
    value["null_units"] = "keep"
    file.write_text(yaml.safe_dump(value))
    texts = [fault["text"] for fault in ALONE.json("data", "check", file, code=1)["faults"]]
    assert "column age: bounds: low: is a text: write it in quotes" in texts
    assert {text.split(": ")[1] for text in texts if text.startswith("column age")} == {"role", "bounds", "colour"}
    assert any(text.startswith("null_units: ") for text in texts)


def test_two_owners_agree_on_a_text_that_both_can_register(tmp_path: Path) -> None:
    north = table(tmp_path, "north", ROWS)
    south = table(tmp_path, "south", [f"q{n},{'west' if n % 3 else ''},{n + 20},{n * 9}.25" for n in range(80)])
    one, two, common = drafted(tmp_path, north), drafted(tmp_path, south), tmp_path / "common.yaml"
    assert ALONE.json("data", "check", one, south, code=1)["faults"]  # the control: neither fits the other's data
    assert ALONE.json("data", "check", two, north, code=1)["faults"]
    told = ALONE.json("data", "check", one, "--against", two, "--out", common, code=1)
    assert all(item["settled"] for item in told["differences"])
    assert {"ward.domain", "ward.nullable", "cost.decimals", "cost.bounds"} <= {d["place"] for d in told["differences"]}
    for data in (north, south):
        assert ALONE.json("data", "check", common, data)["faults"] == []
    assert "the same declaration" in ALONE("data", "check", common, "--against", common).out
    assert "Declared differently" in ALONE("data", "check", two, "--against", one, code=1).out


@pytest.mark.parametrize(("words", "field"), [(("data", "schema"), "columns"), (("job", "schema"), "purpose")])
def test_a_schema_is_printed_with_the_words_of_each_field(words: tuple[str, str], field: str) -> None:
    schema = json.loads(ALONE(*words).out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["properties"][field]["description"]


@dataclass(frozen=True)
class Clinic:
    places: Places
    cli: Person


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    """An owner with a hub to announce to."""
    places = lay_out(tmp_path / "federation", ["EWR"])
    processes = Processes(places)
    try:
        processes.start_hub()
        yield Clinic(places, owner(places, "EWR"))
    finally:
        processes.stop_all()


@pytest.mark.e2e
def test_values_of_a_refused_registration_stay_on_the_terminal(clinic: Clinic, tmp_path: Path) -> None:
    """Neither the hub's and the node's files nor the refusal for programs hold them; the dataset's name is the control."""
    data = table(tmp_path, "a", ROWS)
    file = drafted(tmp_path, data)
    bad = table(tmp_path, "b", [*ROWS, f"p61,{CANARY},1,2.5"])
    config = clinic.places.node("EWR") / "node.yaml"
    rest = ("--config", config, "--rows-at-most", "1000", "--label", "now", "--data-until", "2026-11-01")
    assert CANARY in clinic.cli("data", "register", file, bad, *rest, code=1).err
    refused = clinic.cli.json("data", "register", file, bad, *rest, code=1)
    assert refused["error"]["code"] == "data-refused"
    assert CANARY not in json.dumps(refused)
    clinic.cli("data", "register", file, data, *rest)
    kept = {path: path.read_bytes() for path in clinic.places.root.rglob("*") if path.is_file()}
    assert any(b"visits" in content for content in kept.values())
    assert [path for path, content in kept.items() if CANARY.encode() in content] == []


def test_it_needs_neither_hub_nor_node_nor_their_libraries() -> None:
    code = (
        "import sys, sandbox.cli.data_check; "
        "print([m for m in ('ray', 'fastapi', 'sandbox.hub.core') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
