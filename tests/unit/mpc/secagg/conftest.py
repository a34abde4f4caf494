"""A group of clients over the complete graph (or another) for the tests of secure aggregation."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpc.party import PartyName
from mpc.ring import Z64, Range
from mpc.secagg import Client, Parameters, Server


@dataclass
class Group:
    parameters: Parameters
    inputs: Mapping[PartyName, list[int]]
    identities: Mapping[PartyName, Ed25519PrivateKey] = field(default_factory=dict)

    @property
    def names(self) -> tuple[PartyName, ...]:
        return self.parameters.clients

    def client(self, name: PartyName, parameters: Parameters | None = None) -> Client:
        return Client(parameters or self.parameters, name, self.inputs[name], self.identities.get(name))

    def clients(self) -> dict[PartyName, Client]:
        return {name: self.client(name) for name in self.names}

    def server(self) -> Server:
        return Server(self.parameters)

    def sum_over(self, names: frozenset[PartyName]) -> list[int]:
        return [sum(column) for column in zip(*(self.inputs[name] for name in names), strict=True)]


@pytest.fixture(scope="session")
def make_group() -> Callable[..., Group]:
    def make(n: int = 7, signed: bool = False, **changes: object) -> Group:
        names = tuple(PartyName(f"client-{i}") for i in range(n))
        identities = {name: Ed25519PrivateKey.generate() for name in names} if signed else {}
        parameters = Parameters(
            session=secrets.token_bytes(16),
            clients=names,
            length=3,
            values=Range(-1000, 1000),
            ring=Z64,
            degree=n - 1,
            threshold=(n - 1) // 2 + 1,
            survivors=max((n - 1) // 2 + 2, 2 * n // 3 + 1),
            model_digest=bytes(32),
            graph_seed=b"sixteen by chance",
            identities={name: key.public_key().public_bytes_raw() for name, key in identities.items()},
        )
        parameters = replace(parameters, **changes)  # type: ignore[arg-type]
        inputs = {name: [i - 3, 10 * i, -i] for i, name in enumerate(names)}
        return Group(parameters, inputs, identities)

    return make
