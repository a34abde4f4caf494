"""A request compiled once: a preview, its submission and every repetition share one plan, its digest and its words.

The key holds all that these follow from: kind and version, the request's digest, and the digests of roster, datasets
and records. It holds the operator too, or a rival could tell by the time of an answer that a question was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs.documents import canonical, digest, json_digest
from jobs.kinds.base import Kind
from jobs.kinds.registry import kind_of
from jobs.schema import Digest, Scalar
from sandbox.hub.core.hub import Hub
from sandbox.hub.requests.catalogue import Catalogue
from sandbox.hub.requests.words import plan_words

_REMEMBERED_BYTES: Final = 1 << 14
"""Of a request: longer ones are compiled each time, so that the memory of many has a bound."""


@dataclass(frozen=True)
class Asked:
    """What the kind made of a request under one catalogue."""

    kind: Kind
    plan: Any
    plan_json: dict[str, Any]
    plan_digest: Digest
    parameters: Mapping[str, Scalar]
    words: dict[str, Any]


def compile_request(hub: Hub, operator: str, kind: str, asked: Mapping[str, Any], catalogue: Catalogue) -> Asked:
    """The plan of a request; raises what the kind refuses it for."""
    found, written = kind_of(kind), canonical(dict(asked))
    if len(written) > _REMEMBERED_BYTES:
        return _compiled(found, asked, catalogue)
    key = (operator, found.name, found.version, digest(written), catalogue.key)
    made: Asked = hub.compiled.of(key, lambda: _compiled(found, asked, catalogue))
    return made


def _compiled(kind: Kind, asked: Mapping[str, Any], catalogue: Catalogue) -> Asked:
    compiled = kind.compile(dict(asked), catalogue.view)
    plan_json = kind.to_json(compiled.plan)
    words = plan_words(kind, compiled.plan, catalogue.view)
    return Asked(kind, compiled.plan, plan_json, json_digest(plan_json), dict(compiled.parameters), words)
