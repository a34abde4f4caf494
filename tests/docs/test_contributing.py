"""CONTRIBUTING.md is true: every line of code in it is a line of the file that it names, every path and name exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from jobs import errors
from jobs.documents import approval
from jobs.kinds import base, registry
from sandbox.client import Client
from sandbox.hub.core.config import HubConfig
from sandbox.node.config import NodeConfig

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "CONTRIBUTING.md").read_text()
KINDS: Final = PAGE.split("## Add a kind of job\n")[1]
BLOCKS: Final = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INLINE: Final = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL))
PATH: Final = re.compile(r"(?:sandbox|jobs|mpc|adapters|federated|tests|docs|examples|benchmarks|\.ci)/[\w./-]*")


@pytest.mark.parametrize(("file", "lines"), BLOCKS, ids=[file for file, _ in BLOCKS])
def test_its_code_is_the_code(file: str, lines: str) -> None:
    assert lines in (ROOT / file).read_text()


def test_every_block_of_python_names_its_file() -> None:
    assert len(BLOCKS) == PAGE.count("```python") >= 6


def test_its_paths_are_there() -> None:
    named = {name for name in INLINE if PATH.fullmatch(name)}
    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_tests_that_it_names_are_there() -> None:
    tests = "".join(page.read_text() for page in (ROOT / "tests" / "attacks").glob("test_*.py"))
    named = [name for name in INLINE if name.startswith("test_")]
    assert named
    assert {name for name in named if f"def {name}(" not in tests} == set()


def attributes(owner: Any) -> set[str]:
    """Of a protocol or dataclass, those without a value included."""
    return {*dir(owner), *getattr(owner, "__annotations__", {})}


def test_its_names_are_those_of_the_seam() -> None:
    """``Name`` and ``Name.attribute`` in the walk, in ``jobs.kinds.base`` or one of the few others that it needs."""
    known: dict[str, Any] = {**vars(base), **vars(errors), **vars(approval), "Client": Client, "None": None}
    for name in re.findall(r"`([A-Z][a-z]\w+(?:\.\w+)?)`", KINDS):
        owner, _, attribute = name.partition(".")
        assert owner in known, name
        assert not attribute or attribute in attributes(known[owner]), name


def test_it_leaves_out_no_part_of_a_kind() -> None:
    """Every method and declaration of the protocols is explained."""
    for protocol in (base.Kind, base.Party, base.LocalStep, base.Referee):
        own = {name for name in {*vars(protocol), *protocol.__annotations__} if not name.startswith("_")}
        assert {
            name for name in own - {"name", "title", "rounds"} if f"{protocol.__name__}.{name}`" not in KINDS
        } == set()


def test_dotted_names_can_be_imported() -> None:
    for name in re.findall(r"`((?:jobs|sandbox|mpc)\.[\w.]+\.\w+)`", PAGE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_configuration_names_a_kind() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    option, (package,) = yaml.safe_load(text).popitem()
    assert option in HubConfig.model_fields
    assert option in NodeConfig.model_fields
    face = importlib.import_module(f"{package}.kind").KIND
    party, referee = (importlib.import_module(f"{package}.{name}") for name in ("party", "referee"))
    assert f'ask_for("{face.name}"' in KINDS
    assert callable(party.make_party)
    assert referee.REFEREE
    assert registry.kind_of("statistics").name == "statistics"


def test_the_example_is_as_short_as_it_says() -> None:
    files = (ROOT / "tests" / "contracts" / "toy_kind").glob("*.py")
    lines = sum(len(file.read_text().splitlines()) for file in files)
    assert f"{lines} lines" in KINDS
    assert f"{lines} lines" in (ROOT / "docs" / "adr" / "0023-kinds.md").read_text()
