"""Who is who: the roster that the authority's offline root signs, and certificates that owners sign for nodes.

Keys of different roles are distinct, so that one party can never count as two (a hub as its own witness).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, TypeVar

from pydantic import Field, model_validator

from jobs.documents.base import (
    Document,
    Id,
    JsonObject,
    KeyText,
    Label,
    Moment,
    Part,
    SealingText,
    Version,
    check_distinct,
)
from jobs.documents.ed25519 import PublicKey
from jobs.documents.x25519 import SealingPublic
from jobs.errors import UnknownSigner

UNNAMED: Final = "not stated"


class RootKeys(Part):
    """The authority's offline keys: ``threshold`` of them must sign a roster."""

    keys: Annotated[tuple[KeyText, ...], Field(min_length=1, max_length=16)]
    threshold: Annotated[int, Field(ge=1, le=16)]

    @model_validator(mode="after")
    def _reachable(self) -> RootKeys:
        check_distinct(list(self.keys), "root keys")
        if self.threshold > len(self.keys):
            raise ValueError("the threshold exceeds the number of root keys")
        return self

    def public_keys(self) -> tuple[PublicKey, ...]:
        return tuple(map(PublicKey.parse, self.keys))


class HubEntry(Part):
    id: Id
    key: KeyText


class NodeCertificate(Document):
    """Signed by the owner: this node's signing and sealing keys are ours in this period."""

    KIND: ClassVar[str] = "node-certificate"
    owner: Id
    node: Id
    key: KeyText
    sealing: SealingText
    not_before: Moment
    not_after: Moment


class NodeEntry(Part):
    """A node and the envelope of its ``NodeCertificate``; the roster's acceptance verifies it."""

    id: Id
    key: KeyText
    sealing: SealingText
    """X25519: messages from node to node are sealed to it."""
    certificate: JsonObject


class OwnerEntry(Part):
    """A data owner: ``threshold`` of its keys sign grants, revocations, records and node certificates."""

    id: Id
    name: Label
    organisation: Label = UNNAMED
    office: Label = UNNAMED
    """Which office of the organisation answers for it."""
    keys: Annotated[tuple[KeyText, ...], Field(min_length=1, max_length=16)]
    threshold: Annotated[int, Field(ge=1, le=16)]
    nodes: Annotated[tuple[NodeEntry, ...], Field(max_length=64)]

    @model_validator(mode="after")
    def _reachable(self) -> OwnerEntry:
        if self.threshold > len(self.keys):
            raise ValueError(f"owner {self.id}: the threshold exceeds the number of keys")
        return self

    def public_keys(self) -> tuple[PublicKey, ...]:
        return tuple(map(PublicKey.parse, self.keys))


class WitnessEntry(Part):
    """Cosigns checkpoints; its ``name`` is the name on its signature lines. Neither the hub nor a node."""

    name: Id
    key: KeyText


class OperatorEntry(Part):
    """An authorised operator. Any one of its ``keys`` signs commitments; without keys the hub attests its token."""

    id: Id
    name: Label
    organisation: Label = UNNAMED
    office: Label = UNNAMED
    keys: Annotated[tuple[KeyText, ...], Field(max_length=16)] = ()


class Roster(Document):
    KIND: ClassVar[str] = "roster"
    version: Version
    issued: Moment
    expires: Moment
    origin: Id
    """Origin line of the transparency log, and the name on the hub's signature line."""
    root: RootKeys
    hub: HubEntry
    status_key: KeyText
    """The authority's online key: it signs status lists and nothing else."""
    owners: Annotated[tuple[OwnerEntry, ...], Field(min_length=1, max_length=256)]
    witnesses: Annotated[tuple[WitnessEntry, ...], Field(min_length=1, max_length=64)]
    operators: Annotated[tuple[OperatorEntry, ...], Field(max_length=1024)] = ()

    @model_validator(mode="after")
    def _one_role_each(self) -> Roster:
        if self.issued >= self.expires:
            raise ValueError("the roster expires before it is issued")
        nodes = [node for owner in self.owners for node in owner.nodes]
        names = [self.origin, *(node.id for node in nodes), *(witness.name for witness in self.witnesses)]
        check_distinct([self.hub.id, *names], "the hub's id, the log origin, node ids and witness names")
        check_distinct([owner.id for owner in self.owners], "owner ids")
        check_distinct([operator.id for operator in self.operators], "operator ids")
        keys: list[str] = [*self.root.keys, self.hub.key, self.status_key]
        keys += [*(witness.key for witness in self.witnesses), *(node.key for node in nodes)]
        keys += [key for owner in self.owners for key in owner.keys]
        keys += [key for operator in self.operators for key in operator.keys]
        check_distinct(keys, "keys of root, hub, status lists, owners, nodes, witnesses and operators")
        check_distinct([node.sealing for node in nodes], "sealing keys of nodes")
        return self

    def owner(self, owner_id: str) -> OwnerEntry:
        return _find(self.owners, owner_id, "owner")

    def operator(self, operator_id: str) -> OperatorEntry:
        return _find(self.operators, operator_id, "operator")

    def node(self, node_id: str) -> NodeEntry:
        return _find([node for owner in self.owners for node in owner.nodes], node_id, "node")

    def owner_of(self, node_id: str) -> OwnerEntry:
        """The owner whose domain the node is in; raises ``UnknownSigner``."""
        for owner in self.owners:
            if any(node.id == node_id for node in owner.nodes):
                return owner
        raise UnknownSigner(f"the roster knows no node {node_id}")

    def hub_key(self) -> PublicKey:
        return PublicKey.parse(self.hub.key)

    def node_key(self, node_id: str) -> PublicKey:
        return PublicKey.parse(self.node(node_id).key)

    def sealing_key(self, node_id: str) -> bytes:
        """32 raw bytes of the node's X25519 key; raises ``UnknownSigner``."""
        return SealingPublic.parse(self.node(node_id).sealing).raw


E = TypeVar("E", OwnerEntry, OperatorEntry, NodeEntry)


def _find(entries: Iterable[E], wanted: str, what: str) -> E:
    for entry in entries:
        if entry.id == wanted:
            return entry
    raise UnknownSigner(f"the roster knows no {what} {wanted}")
