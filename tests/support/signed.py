"""A signed federation in memory: who is in it, and valid documents of all its parties. The one that tests build on.

``Parties`` says who there is and from when; its methods make documents, unsigned. ``**changed`` replaces fields of a
document before it is checked. A key is made from its owner's name, once: ``key("hub")``, ``key("node-ewr")``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any, Final

from jobs.documents import (
    PROTOCOL_VERSION,
    Commitment,
    DataScope,
    DatasetRecord,
    DataUse,
    Envelope,
    ExactVersion,
    Grant,
    HubEntry,
    OperatorEntry,
    OutputRule,
    OwnerEntry,
    ParameterRule,
    Participant,
    Period,
    Permit,
    RootKeys,
    Roster,
    SealingKey,
    SigningKey,
    StatusList,
    Terms,
    TrustedRoster,
    Verified,
    WitnessEntry,
    digest,
    json_digest,
)
from jobs.kinds.registry import algorithm_of, kind_of
from jobs.schema import Dataset, Digest
from sandbox.catalogue.register import schema_digest
from sandbox.keys import Trust, certify_node

DAY: Final = timedelta(days=1)
OWNERS: Final = ("ewr", "jfk", "lga")
NODES: Final = tuple(f"node-{owner}" for owner in OWNERS)
ALGORITHM: Final = algorithm_of(kind_of("statistics"))
TERMS: Final = Terms(
    mode="joint statistic", volume="as granted", conditions="", prohibited_uses="re-identification",
    security_duties="", confidentiality="", revenue_share="0", disposal="", feedback="", breach_and_exit="",
    signatories=("data office",),
)  # fmt: skip


def seed(name: str) -> bytes:
    """What the key of a party is made from, for a test that writes the key file."""
    return hashlib.sha256(name.encode()).digest()


@cache
def key(name: str) -> SigningKey:
    """The signing key of a party; the same name, the same key."""
    return SigningKey.from_seed(seed(name))


@cache
def seal(name: str) -> SealingKey:
    """What messages to a node are sealed to."""
    return SealingKey.from_seed(hashlib.sha256(f"seal {name}".encode()).digest())


def seeded(name: str) -> Callable[[int], bytes]:
    """Reproducible bytes for one run; every draw differs."""
    state = {"n": 0}

    def draw(size: int) -> bytes:
        state["n"] += 1
        return hashlib.shake_256(f"{name}/{state['n']}".encode()).digest(size)

    return draw


@dataclass(frozen=True)
class Parties:
    """Authority, hub, owners with one node each, operators and witnesses.

    ``at``: issue of the roster; it lives for a year, and what is signed under it a quarter, unless a test says other.
    ``offices``: (party, threshold, keys) of a root or an owner that signs with several keys; they are ``key("ewr-1")``
    and on. Everybody else signs with the key of its name. One more operator, ``op-token``, has no key.
    """

    at: datetime
    owners: tuple[str, ...] = OWNERS
    operators: tuple[str, ...] = ("acme", "rival")
    witnesses: tuple[str, ...] = ("witness-1",)
    offices: tuple[tuple[str, int, int], ...] = ()
    hub: str = "hub"
    origin: str = "log.example/unseen"

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        return tuple(f"node-{owner}" for owner in self.owners)

    @cached_property
    def period(self) -> Period:
        return Period(start=self.at, end=self.at + 90 * DAY)

    # whom one trusts --------------------------------------------------------------------------------------------------

    @cached_property
    def root(self) -> RootKeys:
        return RootKeys(keys=self._publics("root"), threshold=len(self.signers("root")))

    @cached_property
    def trust(self) -> Trust:
        return Trust(root=self.root, origin=self.origin)

    @cached_property
    def roster_envelope(self) -> Envelope:
        return self.roster().sign(*self.signers("root"))

    @cached_property
    def trusted(self) -> Verified[Roster]:
        """The roster as a node, a person or a verifier holds it."""
        rosters = TrustedRoster(self.root)
        rosters.update(self.roster_envelope)
        return rosters.current(self.at)

    def signers(self, party: str) -> tuple[SigningKey, ...]:
        """As many keys as an owner or the root needs."""
        threshold, _ = self._office(party)
        return tuple(map(key, self._key_names(party)[:threshold]))

    # what they sign ---------------------------------------------------------------------------------------------------

    def roster(self, **changed: Any) -> Roster:
        return Roster(**({name: getattr(self._roster, name) for name in Roster.model_fields} | changed))

    def status(self, **changed: Any) -> StatusList:
        """Nothing stopped, nothing forbidden; good for a week."""
        plain = {"number": 1, "issued": self.at, "expires": self.at + 7 * DAY}
        return StatusList.model_validate(plain | self.under(self.roster_envelope) | changed)

    @staticmethod
    def under(roster: Envelope) -> dict[str, Any]:
        """The fields of a status list that bind a roster."""
        return {"roster": roster.digest, "roster_version": Roster.open(roster).version}

    def record(self, owner: str, dataset: Dataset, /, **changed: Any) -> DatasetRecord:
        plain = {
            "owner": owner, "node": f"node-{owner}", "dataset": dataset.name,
            "dataset_digest": json_digest(dataset.model_dump(mode="json")), "schema_digest": schema_digest(dataset),
            "sequence": 1, "version": digest(f"{owner}/{dataset.name}".encode()), "label": f"2013 of {owner}",
            "frequency": "other", "data_until": self.at, "rows_at_most": 1000, "legal_basis": "open data",
            "issued": self.at,
        }  # fmt: skip
        made = plain | {"changed_below": None} | changed
        return DatasetRecord.model_validate({"lineage": made["version"], **made})

    def commitment(self, plan: Digest, datasets: Iterable[str] = ("flights",), /, **changed: Any) -> Commitment:
        """The first operator's, to this plan and no other."""
        plain = {
            "id": "commitment-1", "operator": self.operators[0], "issued": self.at, "datasets": tuple(datasets),
            "plans": (plan,), "scenario": "punctuality", "purpose": "public statistics",
            "security_measures": "locked rooms", "period": self.period, "disposal": "delete after a year",
            "feedback": "a report",
        }  # fmt: skip
        return Commitment.model_validate(plain | changed)

    def uses(
        self, columns: Sequence[str], versions: Mapping[str, str], dataset: str = "flights"
    ) -> tuple[DataUse, ...]:
        """What a permit reads; ``versions`` by owner."""
        return tuple(
            DataUse.model_validate(
                {"node": f"node-{owner}", "dataset": dataset, "columns": tuple(columns), "version": version}
            )
            for owner, version in versions.items()
        )

    def grant(
        self,
        owner: str,
        commitment: Envelope,
        plan: Digest,
        uses: Iterable[DataUse],
        output: OutputRule,
        parameters: Mapping[str, Any],
        /,
        **changed: Any,
    ) -> Grant:
        """For exactly the plan, parameters and versions of a permit over ``uses``, by everybody in it; two runs."""
        said, used = Commitment.open(commitment), tuple(uses)
        plain = {
            "id": f"grant-{owner}", "owner": owner, "issued": said.issued, "operator": said.operator,
            "commitment": commitment.digest, "scenario": said.scenario, "purpose": said.purpose,
            "algorithm": ALGORITHM, "plan_digest": plan,
            "parameters": tuple(ParameterRule(name=name, allowed=(value,)) for name, value in sorted(parameters.items())),
            "data": tuple(map(scope_of, (use for use in used if use.node == f"node-{owner}"))), "period": said.period,
            "runs": 2, "output": output, "participants": participants(dict.fromkeys(use.node for use in used)),
            "terms": TERMS,
        }  # fmt: skip
        return Grant.model_validate(plain | changed)

    def permit(
        self,
        commitment: Envelope,
        grants: Iterable[Envelope],
        plan: Mapping[str, Any],
        uses: Iterable[DataUse],
        output: OutputRule,
        parameters: Mapping[str, Any],
        /,
        **changed: Any,
    ) -> Permit:
        said, used = Commitment.open(commitment), tuple(uses)
        plain = {
            "id": "permit-1", "nonce": "ab" * 32, "job": "job-1", "protocol": PROTOCOL_VERSION,
            "operator": said.operator, "scenario": said.scenario, "commitment": commitment.digest,
            "algorithm": ALGORITHM, "plan_digest": json_digest(plan), "plan": plan, "parameters": parameters,
            "data": used, "grants": tuple(item.digest for item in grants),
            "participants": tuple(dict.fromkeys(use.node for use in used)), "roster": self.roster_envelope.digest,
            "status": digest(b"status"), "output": output, "issued_at": self.at,
            "expires_at": self.at + timedelta(minutes=4), "deadline": self.at + timedelta(minutes=30),
        }  # fmt: skip
        return Permit.model_validate(plain | changed)

    # ------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _roster(self) -> Roster:
        return Roster(
            version=1, issued=self.at, expires=self.at + 365 * DAY, origin=self.origin, root=self.root,
            hub=HubEntry(id=self.hub, key=key("hub").public.text), status_key=key("status").public.text,
            owners=tuple(map(self._owner, self.owners)),
            witnesses=tuple(WitnessEntry(name=name, key=key(name).public.text) for name in self.witnesses),
            operators=(
                *(OperatorEntry(id=name, name=name.title(), keys=(key(name).public.text,)) for name in self.operators),
                OperatorEntry(id="op-token", name="Operator with a token"),
            ),
        )  # fmt: skip

    def _owner(self, owner: str) -> OwnerEntry:
        node, (threshold, _) = f"node-{owner}", self._office(owner)
        end = self.at + 365 * DAY
        certified = certify_node(owner, node, key(node).public, seal(node).public, self.at, end, self.signers(owner))
        return OwnerEntry(
            id=owner, name=f"{owner.upper()} airport", organisation=f"Port of {owner}", office="statistics",
            keys=self._publics(owner), threshold=threshold, nodes=(certified,),
        )  # fmt: skip

    def _office(self, party: str) -> tuple[int, int]:
        return next(((threshold, keys) for name, threshold, keys in self.offices if name == party), (1, 1))

    def _key_names(self, party: str) -> tuple[str, ...]:
        _, keys = self._office(party)
        return (party,) if keys == 1 else tuple(f"{party}-{number}" for number in range(1, keys + 1))

    def _publics(self, party: str) -> tuple[str, ...]:
        return tuple(key(name).public.text for name in self._key_names(party))


def participants(nodes: Iterable[str]) -> tuple[Participant, ...]:
    return tuple(Participant(node=node, owner=node.removeprefix("node-"), key=key(node).public.text) for node in nodes)


def scope_of(use: DataUse) -> DataScope:
    """An owner's permission for exactly this use."""
    return DataScope(dataset=use.dataset, columns=use.columns, version=ExactVersion(lineage=use.version))
