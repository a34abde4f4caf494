"""One question to the owner's running node, over its local socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox.errors import Rejected


def ask_node(config: Path, command: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
    """The node's answer; raises ``Rejected`` with its refusal, ``Unavailable`` if it does not run here."""
    from sandbox.node.config import load_config
    from sandbox.node.control import ask

    answer = ask(load_config(config).state_dir, command, timeout)
    if "error" in answer:
        raise Rejected(str(answer["error"]))
    return answer
