"""Opens the node's gate over its database, as the rest of the node uses it (``sandbox.node.asking.NodeGate``)."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from jobs.disclosure.gate import Gate
from jobs.schema import Digest
from mpc.party import RandomBytes
from sandbox.errors import IntegrityFailure
from sandbox.node.asking import Auditing
from sandbox.node.gate.limits import Limits
from sandbox.node.gate.pieces import START, Pieces, state_digest
from sandbox.node.gate.seeds import KEY_BYTES, Seeds, noise_key
from sandbox.node.gate.vetoes import Vetoes
from sandbox.node.spending import Spending
from sandbox.node.state import NodeState
from sandbox.node.tables import audit, settings

_SCHEME: Final = "sha256:"
_NOISE_KEY: Final = "noise_key"
"""The setting that ``sandbox.node.gate.seeds`` keeps it in."""


class OpenedGate:
    """Implements ``NodeGate``. Opening it reads nothing: damage is found by who asks, or by ``check``."""

    def __init__(self, state: NodeState, key: bytes, rng: RandomBytes, limits: Limits = Limits()) -> None:
        """``key``: the node's record key, under which what was asked is encrypted. ``limits``: of the audit."""
        self._state, self._rng = state, rng
        self._pieces = Pieces(key)
        # by name: what judges brings compiled kernels along
        made: Auditing = importlib.import_module("sandbox.node.gate.audit").Audit(self._pieces, limits)
        self.audit = made
        self.vetoes = Vetoes(self._pieces, state.write)
        self.spending = Spending(self._pieces)
        self._noise_key: bytes | None = None

    def seeds(self, rows: Digest) -> Gate:
        if self._noise_key is None:
            with self._state.write() as connection:
                self._noise_key = noise_key(connection, self._rng)
        return Seeds(self._noise_key, bytes.fromhex(rows.removeprefix(_SCHEME)))

    def state_digest(self, connection: Connection) -> Digest:
        return state_digest(connection)

    def check(self, connection: Connection, said: Digest) -> None:
        self._pieces.check(connection)
        noise_key(connection, self._rng)
        chain = bytes.fromhex(said.removeprefix(_SCHEME))
        if (
            chain != START
            and connection.execute(select(audit.c.sequence).where(audit.c.chain == chain)).first() is None
        ):
            raise IntegrityFailure("it has forgotten what it remembered at this node's last message")

    def renew_key(self, connection: Connection) -> None:
        there = connection.execute(select(settings.c.name).where(settings.c.name == _NOISE_KEY)).first()
        if there is None:
            connection.execute(insert(settings).values(name=_NOISE_KEY, value=self._rng(KEY_BYTES)))

    def standing(self, connection: Connection, unit_domain: str) -> list[dict[str, Any]]:
        with self.audit as turn:
            return [{"unit_domain": unit_domain, **asdict(item)} for item in turn.standing(connection, unit_domain)]
