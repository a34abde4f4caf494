"""Each contract of import-linter bites: an import that it forbids, added to the graph of the real code, breaks it.

Kinds to come are part of it: a second kind that exists only in the graph meets the same contracts.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any, Final

import grimp
import pytest
from importlinter.application.use_cases import read_user_options
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

configure()
OPTIONS: Final = read_user_options(str(Path(__file__).parents[2] / "pyproject.toml"))
SESSION: Final[dict[str, Any]] = OPTIONS.session_options
CONTRACTS: Final[dict[str, dict[str, Any]]] = {contract["name"]: contract for contract in OPTIONS.contracts_options}
TYPES: Final[dict[str, Any]] = {
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
PROTECTED: Final = "Nobody imports a kind of job: not hub, node, runner or registry, nor another kind"
INDEPENDENT: Final = "Kinds of jobs are independent: they meet in base alone, and reach neither registry nor walks"
INSIDE: Final = "Inside jobs: disclosure below the kinds, documents below both"
SECOND: Final = ("jobs.kinds.second", "jobs.kinds.second.kind")
"""A kind that is not there yet."""
STATISTICS: Final = "jobs.kinds.statistics.plan.types"

BREACHES: Final[tuple[tuple[str, str, str], ...]] = (
    ("Arrows only go down", "mpc.masks", "jobs.schema"),
    ("Arrows only go down", "adapters.source", "federated"),
    ("Hub and node never import each other", "sandbox.node.walk", "sandbox.hub.core.hub"),
    ("Client and verifier reach neither server, database nor Ray", "sandbox.verify.step", "sqlalchemy"),
    ("Protocols know no I/O", "mpc.ring", "pyarrow"),
    ("Disclosure rules and policy are pure", "jobs.disclosure.part", "duckdb"),
    ("The runner is the only Ray", "sandbox.node.serve", "ray"),
    (PROTECTED, "sandbox.hub.running.advancing", STATISTICS),
    (PROTECTED, "sandbox.node.walk", STATISTICS),
    (PROTECTED, "jobs.kinds.registry", STATISTICS),
    (PROTECTED, "jobs.kinds.base", STATISTICS),
    (PROTECTED, "jobs.kinds.second.kind", STATISTICS),
    (PROTECTED, "sandbox.hub.running.advancing", "jobs.kinds.second.kind"),
    (INDEPENDENT, "jobs.kinds.second.kind", STATISTICS),
    (INDEPENDENT, "jobs.kinds.second.kind", "jobs.kinds.registry"),
    (INDEPENDENT, "jobs.kinds.statistics.kind", "jobs.permit"),
    (INSIDE, "jobs.disclosure.part", "jobs.kinds.base"),
    (INSIDE, "jobs.documents.base", "jobs.disclosure.profile"),
    (INSIDE, "jobs.kinds.statistics.party", "jobs.runner.port"),
)


@cache
def code() -> grimp.ImportGraph:
    """The imports of the real code, and the names of a second kind that imports nothing."""
    graph = grimp.build_graph(*SESSION["root_packages"], include_external_packages=True, cache_dir=None)
    for module in SECOND:
        graph.add_module(module)
    graph.add_import(importer="jobs.kinds.second.kind", imported="jobs.kinds.base")
    return graph


def is_kept(name: str, importer: str = "", imported: str = "") -> bool:
    """Whether the contract holds for the code, with one import more if one is named."""
    graph = copy.deepcopy(code())
    if importer:
        assert importer in graph.modules
        graph.add_import(importer=importer, imported=imported)
    return holds(name, graph)


def holds(name: str, graph: grimp.ImportGraph) -> bool:
    options = {key: value for key, value in CONTRACTS[name].items() if key not in ("name", "type")}
    kept: bool = TYPES[CONTRACTS[name]["type"]](name, SESSION, options).check(graph, verbose=False).kept
    return kept


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_code_keeps_it(name: str) -> None:
    assert is_kept(name)


@pytest.mark.parametrize(("name", "importer", "imported"), BREACHES)
def test_one_import_breaks_it(name: str, importer: str, imported: str) -> None:
    assert not is_kept(name, importer, imported)


def test_a_new_module_of_jobs_has_to_find_its_layer() -> None:
    graph = copy.deepcopy(code())
    graph.add_module("jobs.elsewhere")
    assert not holds(INSIDE, graph)


def test_nor_is_a_kind_named_in_a_string_but_by_the_registry() -> None:
    """Import-linter does not see names that are imported later."""
    root = Path(__file__).parents[2]
    files = [file for folder in ("sandbox", "jobs") for file in (root / folder).rglob("*.py")]
    named = {file.relative_to(root).as_posix() for file in files if "jobs.kinds.statistics" in file.read_text()}
    assert {name for name in named if not name.startswith("jobs/kinds/statistics/")} == {"jobs/kinds/registry.py"}


def test_no_contract_is_left_out() -> None:
    assert {name for name, _, _ in BREACHES} == set(CONTRACTS)
