"""``unseen data show``: nothing that an owner declares, and that decides what an analyst gets, is left out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs.errors import BadDocument
from jobs.schema import Column, Dataset
from sandbox.cli.data import app
from sandbox.cli.declared import column_facts, dataset_facts, read_shown

UNIT = {"name": "who", "type": "string", "role": "unit", "unit_domain": "patient"}
COST: dict[str, Any] = {"name": "cost", "type": "decimal", "role": "measure", "bounds": {"low": "0", "high": "9999"}}
WARD = {"name": "ward", "type": "string", "role": "known", "domain": list("ABCDEFGH")}
PLAIN: dict[str, Any] = {"name": "visits", "columns": [UNIT, COST, WARD], "unit": "who", "legal_basis": "an agreement"}
IN_THE_TABLE = {"name", "type", "role", "grade", "domain", "bounds"}
"""Fields of a column that the table has."""
ABOVE = {"name", "title", "description", "columns"}
"""Fields of a dataset that are shown as what they are."""
COLUMN: dict[str, Any] = {
    "nullable": False, "decimals": 2, "rounded": True, "cut_points": ["500", "1000"], "said_of": ["who"],
    "identifier_kind": "other", "title": "What it costs", "masked": True, "encrypted": True, "fold": True,
    "unit_domain": "purse",
}  # fmt: skip
DATASET: dict[str, Any] = {
    "unit": "other", "null_units": "exclude", "units_disjoint": True, "records_disjoint": True, "joint_minimum": True,
    "colluding_owners": 1, "rows_per_unit": 4, "unique_keys": [["who", "cost"]], "grade": "important",
    "security_level": 3, "open_attribute": "unconditional", "legal_basis": "a law",
    "authoritative_source": "the register", "collecting_body": "the clinic", "update_frequency": "weekly",
    "scenarios": ["planning"], "profile": "dp@1",
}  # fmt: skip


def facts(dataset: Dataset) -> list[tuple[str, str]]:
    return [*column_facts(dataset), *dataset_facts(dataset)]


@pytest.mark.parametrize("field", sorted(set(Column.model_fields) - IN_THE_TABLE))
def test_every_field_of_a_column_is_told(field: str) -> None:
    base = {**COST, "decimals": 1} if field == "rounded" else {**COST, "type": "string", "bounds": None}
    base = base if field in ("rounded", "fold") else COST
    bare, full = ({**PLAIN, "columns": [UNIT, {**base, **more}]} for more in ({}, {field: COLUMN[field]}))
    assert facts(read_shown(full)) != facts(read_shown(bare))


@pytest.mark.parametrize("field", sorted(set(Dataset.model_fields) - ABOVE))
def test_every_field_of_a_dataset_is_told(field: str) -> None:
    bare = {**PLAIN, "columns": [*PLAIN["columns"], {**UNIT, "name": "other"}]}
    if field == "joint_minimum":
        bare["units_disjoint"] = True
    assert facts(read_shown({**bare, field: DATASET[field]})) != facts(read_shown(bare))


def test_what_a_hub_invents_is_refused() -> None:
    with pytest.raises(BadDocument, match="the hub shows no valid dataset: extra: is no field"):
        read_shown({**PLAIN, "extra": 1})


def test_it_is_printed_beside_the_table() -> None:
    cost = {**COST, "cut_points": ["500", "1000"], "said_of": ["who"]}
    dataset = {**PLAIN, "columns": [UNIT, cost, WARD], "unique_keys": [["who"]], "units_disjoint": True}
    whole = Dataset.model_validate(dataset).model_dump(mode="json")
    with showing({"dataset": whole, "holdings": []}) as hub:
        found = CliRunner().invoke(app, ["show", "visits", "--hub", hub])
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert "cost: cut points 500, 1000; one secret of each who" in lines
    assert "ward: values A, B, C, D, E, F, G, H" in lines
    assert "who: names a patient" in lines
    assert "unique keys: who" in lines
    assert "units disjoint: yes, no individual is held by two owners" in lines
    assert "profile: standard@2" in lines


@contextmanager
def showing(value: dict[str, Any]) -> Iterator[str]:
    """A hub that answers every question with one value."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
