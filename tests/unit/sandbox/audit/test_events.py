"""The list of events that the log may hold is the one that the hub logs: a filter refuses what is not in it."""

from __future__ import annotations

import ast
from pathlib import Path

import sandbox.hub
from sandbox.audit import EVENTS
from sandbox.hub.running.jobstate import _PAST

HUB = Path(sandbox.hub.__file__).parent
NOT_LOGGED = {"http.disconnect", "http.request"}


def named() -> set[str]:
    """Every text in the hub that has the form of an event of these nouns."""
    nouns = {event.partition(".")[0] for event in EVENTS} | {"http"}
    texts = (
        node.value
        for folder in (HUB, HUB.parent / "store")
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if text.partition(".")[0] in nouns and text.count(".") == 1 and " " not in text}


def test_every_event_of_the_hub_is_listed_and_no_other() -> None:
    written = {text for text in named() if not text.endswith((".", ".yaml", ".key")) and text not in NOT_LOGGED}
    moved = {f"job.{past}" for past in _PAST.values()}
    imported = {"message.received", "message.refused", "job.destroyed"}
    assert set(EVENTS) == written | moved | imported
