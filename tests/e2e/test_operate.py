"""The operator's guide, followed block by block: from empty folders to a verified release over TLS, and what comes after.

Every machine is a folder, and a network namespace where that is permitted; the only path from one to another is ``scp`` and
the hub's TLS port, whose certificate is of a private CA that the page makes. The data are made here.
"""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.keys import Trust
from sandbox.local.layout import free_port
from sandbox.verify import verify_receipt
from tests.support.page import Walker, blocks, section
from tests.support.wires import permitted, wired

pytestmark = pytest.mark.e2e
PAGE: Final = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
WALK: Final = section(PAGE, "From nothing to a verified release")
COMMANDS_AT_MOST: Final = 18
MACHINES: Final = ("hub", "authority", "witness", "north", "acme", "south")
SECRET: Final = "Q4711x"
LITERAL: Final = 48_151_623
EDIT: Final = """
import pathlib, re, sys
file = pathlib.Path(sys.argv[1])
file.write_text(re.sub(r"legal_basis: .*", "legal_basis: Health Statistics Act, section 4", file.read_text()))
"""


def write_visits(file: Path) -> None:
    """Every patient's id holds the planted word; no ward does."""
    chosen = random.Random(7)
    lines = ["patient,ward,cost"]
    for patient in range(800):
        for _ in range(chosen.randint(1, 4)):
            ward = chosen.choice(("surgery", "medicine", "eyes"))
            lines.append(f"{SECRET}{patient:04},{ward},{chosen.randint(100, 900)}")
    file.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walker]:
    """On a network of their own each, or, where the kernel does not let us, on this machine's loopback."""
    root = tmp_path_factory.mktemp("operate")
    (root / "north").mkdir()
    write_visits(root / "north" / "visits.csv")
    with ExitStack() as stack:
        if permitted():
            prefix, addresses = stack.enter_context(wired(MACHINES))
            hub = addresses["hub"]
            made = Walker(root, {"DNS:hub.example": f"IP:{hub}", "hub.example": hub}, EDIT, prefix)
        else:
            warnings.warn("no network namespaces here: the machines are folders on one loopback", stacklevel=1)
            made = Walker(root, {"hub.example": "localhost", "8440": str(free_port())}, EDIT)
        stack.callback(made.stop_all)
        made.follow(blocks(section(PAGE, "Before you start")))
        yield made


@pytest.fixture(scope="module")
def walked(walker: Walker) -> Walker:
    """The whole walk: after it the federation runs and a release was verified."""
    for block in blocks(WALK):
        for said in walker.follow([block]):
            if found := re.search(r"job-[0-9a-f]{16}", said):
                walker.replaced["JOB"] = found[0]
    return walker


def owner(walker: Walker, command: str, typed: str = "") -> str:
    return walker.run("north", f". north/unseen.env\n{command}", typed)


def ask(walker: Walker, sql: str, name: str = "again.yaml") -> str:
    """Ask, approve and wait; returns the job."""
    value = {"scenario": "test", "purpose": "testing", "datasets": ["visits"], "sql": sql}
    (walker.root / "acme" / name).write_text(json.dumps(value))
    asked = walker.run("acme", f". acme/unseen.env\nunseen job submit {name} --json")
    job = str(json.loads(asked)["id"])
    owner(walker, f"unseen review approve {job} --yes")
    walker.run("acme", f". acme/unseen.env\nunseen job watch {job}")
    return job


def test_the_walk_has_no_more_commands_than_its_heading_says() -> None:
    counted = [command for block in blocks(WALK) for command in block.commands]
    assert len(counted) <= COMMANDS_AT_MOST
    assert WALK.splitlines()[0].endswith(f": {len(counted)} commands")
    assert "unseen verify" in counted[-1]


def test_a_release_was_verified_over_tls(walked: Walker) -> None:
    acme = walked.root / "acme"
    trust = Trust.load(acme / "acme" / "trust.json")
    verify_receipt((acme / "receipt.json").read_bytes(), trust, datetime.now(UTC))
    rows = [line.split(",")[0] for line in (acme / "release.csv").read_text().splitlines() if line[0] != "#"]
    assert set(rows[1:]) >= {"surgery", "medicine", "eyes"}
    said = walked.run("acme", ". acme/unseen.env\nunset UNSEEN_CA_FILE\nunseen job list 2>&1 || true")
    assert "untrusted-hub" in said  # the control: who does not name the private CA is told the setting
    assert "UNSEEN_CA_FILE" in said


def test_a_node_is_reached_at_no_port(walked: Walker) -> None:
    """What listens on its machine listens on loopback. The hub's machine is the control."""
    if not walked.prefix:
        pytest.skip("NOT CHECKED: without network namespaces all machines share their ports")
    assert listening(walked, "north") == set()
    assert listening(walked, "hub") == {8440}


def listening(walker: Walker, machine: str) -> set[int]:
    """TCP ports that are open beyond loopback (proc(5): state 0A, addresses in hexadecimal)."""
    lines = walker.run(machine, "cat /proc/net/tcp /proc/net/tcp6").splitlines()
    found = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    loopback = ("0100007F:", "00000000000000000000000001000000:")
    return {int(place.split(":")[1], 16) for place in found if not place.startswith(loopback)}


def test_nobody_wrote_json_and_every_setting_file_was_written_by_a_command(walked: Walker) -> None:
    assert {block.place for block in blocks(PAGE) if block.language != "sh"} == {"acme/job.yaml"}
    for file in ("hub/hub/hub.yaml", "north/north/node.yaml"):
        assert (walked.root / file).read_text().count("#") > 10


def test_a_second_owner_joins_the_running_federation(walked: Walker) -> None:
    walked.follow(blocks(section(PAGE, "Another party joins")))
    shown = walked.run("south", ". south/unseen.env\nunseen data list")
    assert "visits" in shown


def test_an_operator_s_key_is_replaced_and_it_asks_again(walked: Walker) -> None:
    walked.follow(blocks(section(PAGE, "Key rotation")))
    ask(walked, "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward")


def test_a_hub_that_is_away_is_two_lines_and_work_goes_on(walked: Walker) -> None:
    serve = next(block for block in blocks(WALK) if block.serves and block.place == "hub")
    before = len(walked.log("north").read_text().splitlines())
    walked.stop("hub")
    walked.run("north", "sleep 6")
    walked.follow([serve])
    ask(walked, "SELECT ward, AVG(cost) AS m FROM visits GROUP BY ward")
    lines = walked.log("north").read_text().splitlines()[before:]
    assert [sum(mark in line for line in lines) for mark in ("event=hub.away", "event=hub.back")] == [1, 1], lines


def test_a_node_from_an_older_backup_runs_once_its_owner_has_looked(walked: Walker) -> None:
    saved, restored, looked = blocks(section(PAGE, "Backup and restore"))
    serve = next(block for block in blocks(WALK) if block.serves and block.place == "north")
    walked.stop("north")
    walked.follow([saved])
    walked.follow([serve])
    ask(walked, "SELECT ward, COUNT(*) AS later FROM visits WHERE cost IS NOT NULL GROUP BY ward")
    walked.stop("north")
    walked.run("north", "rm -r north")
    walked.follow([restored])
    settings = walked.root / "north" / "north" / "node.yaml"
    settings.write_text(settings.read_text().replace("log: plain", "log: json"))
    walked.follow([serve])
    standing: list[dict[str, Any]] = json.loads(owner(walked, "unseen node alarms --json || true"))
    (number,) = [item["number"] for item in standing if item["acknowledged"] is None]
    walked.replaced |= {"unseen node alarms": "unseen node alarms || true", "NUMBER": str(number)}
    walked.follow([looked])
    ask(walked, "SELECT ward, COUNT(*) AS last FROM visits GROUP BY ward")


def test_no_log_line_tells_a_value_a_literal_or_an_individual(walked: Walker) -> None:
    """Also of what is refused, at hub and node, plain and as JSON."""
    where = f"WHERE ward <> 'surgery' GROUP BY ward HAVING COUNT(*) < {LITERAL}"
    ask(walked, f"SELECT ward, COUNT(*) AS n FROM visits {where}")
    refused = f"SELECT patient FROM visits WHERE patient = '{SECRET}0001' AND cost = {LITERAL}"
    bad = {"scenario": "t", "purpose": "t", "datasets": ["visits"], "sql": refused}
    (walked.root / "acme" / "bad.yaml").write_text(json.dumps(bad))
    walked.run("acme", ". acme/unseen.env\nunseen job submit bad.yaml || true")
    texts = {name: walked.log(name).read_text() for name in ("hub", "witness", "north")}
    for name, text in texts.items():
        assert len(text.splitlines()) > 1, name
        for planted in (SECRET, str(LITERAL), "surgery", "SELECT", "unseen_"):
            assert planted not in text, name
    assert "event=call.refused" in texts["hub"]
    assert "event=job.released" in texts["hub"]
    ended = [json.loads(line) for line in texts["north"].splitlines() if line.startswith("{")]
    assert {"node.ready", "job.begins", "job.ended"} <= {line["event"] for line in ended if "event" in line}
