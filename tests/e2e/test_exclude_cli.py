"""An owner whose citizens withdraw consent: one command, and no job sees their rows any more; the hub never hears who."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from adapters.snapshot.read import Snapshot, SnapshotRows
from sandbox.keys import Trust
from sandbox.local.layout import Places, lay_out
from sandbox.local.processes import Processes
from sandbox.node.state import NodeState
from tests.support.cli import Person, owner

pytestmark = pytest.mark.e2e
GONE = "citizen-4711"


@dataclass(frozen=True)
class Office:
    """One owner with a hub to announce to; no node needs to run."""

    places: Places
    folder: Path
    cli: Person

    @property
    def config(self) -> Path:
        return self.places.node("EWR") / "node.yaml"

    def register(self) -> None:
        rest = ("--config", self.config, "--rows-at-most", "1000", "--label", "now", "--data-until", "2026-11-01")
        self.cli("data", "register", self.folder / "visits.yaml", self.folder / "visits.csv", *rest)

    def exclude(self, text: str, *more: str | Path, domain: str = "person", code: int = 0) -> str:
        file = self.folder / "gone.txt"
        file.write_text(text)
        ran = self.cli("node", "exclude", domain, "--units", file, "--config", self.config, *more, code=code)
        return ran.out + ran.err

    def seen(self) -> Counter[str]:
        """Whose rows a job reads now."""
        state = NodeState(self.places.node("EWR") / "state", Trust.load(self.places.trust))
        try:
            with state.read() as connection:
                held = state.held(connection)["visits"]
        finally:
            state.close()
        assert held.snapshot is not None
        rows = SnapshotRows(Snapshot(held.snapshot)).read(["citizen"]).read_all()
        return Counter(rows.column("citizen").to_pylist())

    def versions(self) -> list[str]:
        shown = self.cli.json("data", "show", "visits")
        return [str(holding["version_commitment"]) for holding in shown["holdings"]]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    places = lay_out(tmp_path_factory.mktemp("office") / "federation", ["EWR"])
    folder = places.owner("EWR")
    who = [f"citizen-{n}" for n in (*range(4700, 4720), 4711, 4711)]
    (folder / "visits.csv").write_text("citizen,days\n" + "".join(f"{name},{n % 9}\n" for n, name in enumerate(who)))
    days = {"name": "days", "type": "int", "role": "measure", "bounds": {"low": "0", "high": "9"}}
    citizen = {"name": "citizen", "type": "string", "role": "unit", "unit_domain": "person"}
    declared = {"name": "visits", "title": "visits", "unit": "citizen", "columns": [citizen, days]}
    (folder / "visits.yaml").write_text(yaml.safe_dump({**declared, "legal_basis": "the statistics act"}))
    processes = Processes(places)
    try:
        processes.start_hub()
        made = Office(places, folder, owner(places, "EWR"))
        made.register()
        yield made
    finally:
        processes.stop_all()


def test_who_withdraws_is_left_out_for_good_and_the_hub_hears_of_a_new_version_only(office: Office) -> None:
    assert office.seen()[GONE] == 3  # the control: before the command, jobs read these rows
    (before,) = office.versions()
    said = office.exclude(f"{GONE}\nnobody-we-know\n")
    assert "registered visits version 2 without them" in said
    assert "1 of the 2 named have rows here" in said
    left = office.seen()
    assert (left[GONE], sum(left.values())) == (0, 19)
    (after,) = office.versions()
    assert after != before
    for file in ("hub.sqlite", "hub.sqlite-wal"):
        kept = office.places.hub / "state" / file
        assert GONE.encode() not in (kept.read_bytes() if kept.exists() else b"")
    office.register()  # the same file once more does not bring them back
    assert office.seen()[GONE] == 0


def test_a_foreign_key_or_domain_changes_nothing(office: Office) -> None:
    before = office.versions()
    assert "unit domain" in office.exclude("citizen-4701\n", domain="vehicle", code=1)
    foreign = office.places.operator("acme") / "operator.key"
    assert "wrong-key" in office.exclude("citizen-4701\n", "--key", foreign, code=1)
    assert (office.versions(), office.seen()["citizen-4701"]) == (before, 1)
