"""``unseen node alarms | acknowledge`` at a running node: what, when, what next, and an exit code for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sandbox.cli.main import app
from sandbox.errors import Rejected
from sandbox.node.alarms import ALTERED, MISLED, UNRELEASED, check_quiet, raise_alarm
from sandbox.node.control import Control
from tests.support.joint_nodes import Federation

NODE = "node-ewr"
AT = "2026-11-21T08:00:00Z"


class Owner:
    """The command in this process: everything but the shell."""

    def __init__(self, config: Path) -> None:
        self._settings = {"UNSEEN_NODE_CONFIG": str(config), "COLUMNS": "200"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        ran = CliRunner().invoke(app, ["node", *arguments], env=self._settings)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        assert ran.exit_code == code, ran.output
        return ran.output

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def owner(federation: Federation, tmp_path: Path) -> Iterator[Owner]:
    node = federation[NODE]
    control = Control(node)
    control.start()
    config = tmp_path / "node.yaml"
    named = {"node", "owner", "hub", "state_dir", "trust", "token_file"}
    values = node.context.config.model_dump(mode="json", include=named)
    config.write_text(yaml.safe_dump(values))
    yield Owner(config)
    control.stop()


def alarm(federation: Federation, code: str, job: str) -> None:
    with federation[NODE].context.state.write() as connection:
        raise_alarm(connection, job, f"permit of {job}", code, f"what happened to {job}", AT)


def test_a_quiet_node_says_so_and_answers_scripts_with_success(owner: Owner) -> None:
    assert "no alarm stands" in owner("alarms")
    assert owner.json("alarms") == []
    assert "alarm(s)" not in owner("status")


def test_alarms_say_what_when_and_what_next_until_each_is_acknowledged(federation: Federation, owner: Owner) -> None:
    for code, job in ((UNRELEASED, "job-1"), (MISLED, "job-2")):
        alarm(federation, code, job)
    said = owner("alarms", code=1)
    for wanted in ("job-1", "what happened to job-1", "2026-11-21 08:00:00", UNRELEASED, "revoke the grant",
                   "job-2", MISLED, "unseen log reconcile", "2 alarm(s) stand", "unseen node acknowledge 1"):  # fmt: skip
        assert wanted in said
    assert "2 alarm(s) stand" in owner("status")
    assert "1 still stand" in owner("acknowledge", "1")
    assert [item["id"] for item in owner.json("alarms", code=1)] == [2]
    assert owner.json("acknowledge", "2") == {"acknowledged": 2, "standing": []}
    assert owner.json("alarms") == []
    assert [item["id"] for item in owner.json("alarms", "--all")] == [1, 2]
    assert "acknowledged" in owner("alarms", "--all")
    with federation[NODE].context.state.read() as connection:
        check_quiet(connection)


def test_seeing_it_twice_keeps_the_first_time_and_other_numbers_are_refused(
    federation: Federation, owner: Owner
) -> None:
    alarm(federation, ALTERED, "job-1")
    owner("acknowledge", "1")
    (first,) = owner.json("alarms", "--all")
    federation.clock.pass_(minutes=5)
    owner("acknowledge", "1")
    assert owner.json("alarms", "--all") == [first]
    with pytest.raises(Rejected, match="no alarm 7"):
        owner("acknowledge", "7")


def test_what_an_alarm_says_cannot_forge_a_line(federation: Federation, owner: Owner) -> None:
    with federation[NODE].context.state.write() as connection:
        raise_alarm(connection, "job-1", "p", MISLED, "code (x\nno alarm stands\x1b[2K)", AT)
    said = owner("alarms", code=1)
    assert "\nno alarm stands" not in said
    assert "\x1b[2K" not in said
