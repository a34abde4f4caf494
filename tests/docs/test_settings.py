"""Settings that the documentation shows are settings that hub and nodes read."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import BaseModel

from adapters.postgresql.table import PostgresTable
from sandbox.hub.core.config import HubConfig
from sandbox.hub.core.example import hub_yaml
from sandbox.hub.core.front_door import FrontDoor
from sandbox.node.config import NodeConfig, load_config
from sandbox.node.example import node_yaml
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


HUB_FILE: Final = hub_yaml("0.0.0.0", 8440, "hub.crt", "hub-tls.key")  # noqa: S104
NODE_FILE: Final = node_yaml("node-a", "a", "https://hub.example")
EXAMPLES: Final = {"database", "workers", "denied_columns", "folder", "address", "token_file"}
"""What the files show an example of, instead of the default."""


@pytest.mark.parametrize(("text", "model"), [(HUB_FILE, HubConfig), (NODE_FILE, NodeConfig)])
def test_a_written_file_names_every_setting_and_shows_its_default(text: str, model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if not re.search(rf"^(?:# )?{name}:", text, re.MULTILINE)] == []
    shown = yaml.safe_load(re.sub(r"^# ( *[a-z_]+:)", r"\1", text, flags=re.MULTILINE))
    full = model.model_validate(shown, strict=False).model_dump()
    silent = model.model_validate({**yaml.safe_load(text)}, strict=False).model_dump()
    for name, value in full.items():
        pairs = value.items() if isinstance(value, dict) else [(name, value)]
        own = silent[name] if isinstance(value, dict) else silent
        for key, shown_value in pairs:
            assert key in EXAMPLES or shown_value == own[key], key


def test_a_written_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text(HUB_FILE)
    (tmp_path / "node.yaml").write_text(NODE_FILE)
    hub, node = HubConfig.load(tmp_path / "hub.yaml"), load_config(tmp_path / "node.yaml")
    assert hub.tls is not None
    assert hub.tls.key == tmp_path / "hub-tls.key"
    assert node.state_dir == tmp_path / "state"
    (tmp_path / "local.yaml").write_text(hub_yaml("127.0.0.1", 8440, None, None))
    assert HubConfig.load(tmp_path / "local.yaml").tls is None
