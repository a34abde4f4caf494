"""Settings that the documentation shows are settings that hub and nodes read."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, Final

import yaml

from adapters.postgresql.table import PostgresTable
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.front_door import FrontDoor
from sandbox.node.config import NodeConfig
from sandbox.node.gate.limits import Limits

DOCS: Final = Path(__file__).parents[2] / "docs"
NODE: Final = {"node": "node-a", "owner": "a", "hub": "https://hub.example", "state_dir": "s", "trust": "t"}


def blocks(page: str) -> list[Any]:
    """The fenced YAML of a page, read."""
    found = re.findall(r"^ *```yaml\n(.*?)^ *```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(textwrap.dedent(text)) for text in found]


def test_a_hub_on_postgresql() -> None:
    hub, table = blocks("postgresql.md")
    assert HubConfig.model_validate({"state": "s", "trust": "t", **hub}).workers == 4
    assert PostgresTable.model_validate(table["postgresql"]).table == "flights"


def test_a_node_with_more_machines() -> None:
    (node,) = blocks("cluster.md")
    read = NodeConfig.model_validate({**NODE, "token_file": "f", **node}, strict=False)
    assert read.snapshots.encrypt
    assert read.ray.address


def test_how_much_a_node_s_audit_holds() -> None:
    """What the page on disclosure shows are the limits of a node that says nothing."""
    (shown,) = blocks("disclosure.md")
    assert set(shown) == {"audit_rows", "audit_records"}
    silent = NodeConfig.model_validate({**NODE, "token_file": "f"}, strict=False)
    assert NodeConfig.model_validate({**NODE, "token_file": "f", **shown}, strict=False) == silent
    assert (silent.audit_rows, silent.audit_records) == (Limits().rows, Limits().records)


def test_the_front_door_s_page_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", (DOCS / "front-door.md").read_text()))
    single = {name for name in FrontDoor.model_fields if "_" not in name}
    assert named | single == {*FrontDoor.model_fields, "max_body_bytes"}
    assert all(f"`{name}`" in (DOCS / "front-door.md").read_text() for name in single)
    assert "max_body_bytes" in HubConfig.model_fields
