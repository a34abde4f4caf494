"""A request as the owner's own machine understands it: everything that the hub relays is checked before it is shown.

The hub is believed nothing. Who asks, for what and for which plan is in the operator's signed commitment; whose the
nodes are, in the roster under the pinned root, the latest that the authority's status list names; what each column is,
in the declarations whose digest the owners themselves signed in their dataset records; and only a plan that the
compiler makes from these is shown at all. Whom or what the status list stops is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from jobs.disclosure.profile import Profile, load_profile
from jobs.documents import (
    Commitment,
    DatasetRecord,
    Envelope,
    OutputRule,
    Participant,
    Roster,
    StatusList,
    Verified,
    json_digest,
    same_digest,
    verify_commitment,
    verify_dataset_record,
)
from jobs.documents.base import check_distinct, faults
from jobs.documents.status import Asked, check_not_stopped
from jobs.errors import BadDocument, JobError, OutOfScope
from jobs.kinds.base import Kind, Reading
from jobs.kinds.registry import kind_of
from jobs.schema import Dataset, Digest, Scalar
from sandbox.client.views import job_id
from sandbox.hub_http import HubRefused

Declared = Callable[[str], Any]
"""Dataset name -> the declarations (JSON) that the hub shows for it."""
Record = Verified[DatasetRecord]


@dataclass(frozen=True)
class Review:
    """Made by ``read`` only. All of it was verified; ``sandbox.client.grant_words`` says it in words."""

    job: str
    operator: str
    kind: Kind
    plan: Any
    """Of the kind's own type."""
    parameters: Mapping[str, Scalar]
    """This run's values, canonical: what the operator asks for, signed by nobody before the grant."""
    commitment: Verified[Commitment]
    datasets: tuple[Dataset, ...]
    """The declarations of all that the plan reads, as every participant's owner signed them."""
    records: tuple[Record, ...]
    """Of each participant, then dataset: the version that it would read."""
    participants: tuple[str, ...]
    output: OutputRule
    profile: Profile
    roster: Verified[Roster]

    @classmethod
    def read(
        cls,
        value: Mapping[str, Any],
        roster: Verified[Roster],
        status: Verified[StatusList],
        now: datetime,
        declared: Declared,
    ) -> Review:
        """Check one item of the hub's list of requests; raises a ``JobError`` that names what does not hold."""
        try:
            review = cls._read(value, roster, now, declared)
        except ValidationError as error:
            raise BadDocument(f"the hub relays no valid request: {faults(error)}") from None
        except (KeyError, TypeError, AttributeError):
            raise BadDocument("the hub relays a request that lacks a part") from None
        asked = Asked(review.operator, review.commitment.document.scenario, review.touched, review.participants)
        check_not_stopped(status.document, asked, roster.document)
        return review

    @classmethod
    def _read(cls, value: Mapping[str, Any], roster: Verified[Roster], now: datetime, declared: Declared) -> Review:
        job = job_id(value["id"])
        kind = kind_of(str(value["kind"]))
        plan = kind.read(value["plan"])
        commitment = verify_commitment(Envelope.from_json(value["commitment"]), roster, now)
        _check_committed(kind, plan, commitment.document)
        participants = _participants(value["participants"], roster.document)
        relayed = [verify_dataset_record(Envelope.from_json(item), roster) for item in value["records"]]
        records = _records(relayed, participants, kind.touched(plan))
        datasets = tuple(_declarations(name, records, declared) for name in kind.touched(plan))
        kind.check(plan, "", {dataset.name: dataset for dataset in datasets}, _readings(records, kind.touched(plan)))
        output, profile = _output(OutputRule.model_validate(value["output"]), kind, plan, datasets)
        return cls(
            job=job,
            operator=commitment.document.operator,
            kind=kind,
            plan=plan,
            parameters=kind.parameters(plan, dict(value.get("parameters") or {})),
            commitment=commitment,
            datasets=datasets,
            records=records,
            participants=participants,
            output=output,
            profile=profile,
            roster=roster,
        )

    @property
    def plan_digest(self) -> Digest:
        """Computed here, from the plan as this machine read it."""
        return json_digest(self.kind.to_json(self.plan))

    @property
    def touched(self) -> Mapping[str, tuple[str, ...]]:
        """Per dataset, the columns that the plan reads."""
        return self.kind.touched(self.plan)

    @property
    def readings(self) -> Sequence[Reading]:
        """What every participant would read, with the rows that its owner declares at most."""
        return _readings(self.records, self.touched)

    def bound_participants(self) -> tuple[Participant, ...]:
        """The participants with owner and key as the owner's own roster names them; raises ``UnknownSigner``."""
        roster = self.roster.document
        return tuple(
            Participant(node=node, owner=roster.owner_of(node).id, key=roster.node(node).key)
            for node in self.participants
        )

    def own_records(self, owner: str) -> tuple[Record, ...]:
        """What this owner's nodes would read; raises ``OutOfScope`` if none of them takes part."""
        found = tuple(record for record in self.records if record.document.owner == owner)
        if not found:
            raise OutOfScope("owner", f"no node of {owner} takes part in request {self.job}")
        return found

    def lineage(self, owner: str, dataset: str) -> Digest:
        """The one version of a dataset that the owner's nodes hold, whoever is excluded; raises ``OutOfScope``."""
        found = {r.document.lineage for r in self.own_records(owner) if r.document.dataset == dataset}
        if len(found) != 1:
            raise OutOfScope("data", f"the request names no single version of {dataset} that {owner} holds")
        return found.pop()


@dataclass(frozen=True)
class Unreadable:
    """A request that must not be signed, and why: it harms no other request."""

    job: str
    error: JobError | HubRefused


def examine(
    items: Sequence[Mapping[str, Any]],
    roster: Verified[Roster],
    status: Verified[StatusList],
    now: datetime,
    declared: Declared,
) -> list[Review | Unreadable]:
    """Every item, read or refused; ``status`` is fresh and about ``roster``. Raises ``IntegrityFailure`` for an item
    whose id is none."""
    found: list[Review | Unreadable] = []
    for item in items:
        job = job_id(item.get("id"))
        try:
            found.append(Review.read(item, roster, status, now, declared))
        except (JobError, HubRefused) as error:
            found.append(Unreadable(job, error))
    return found


def _check_committed(kind: Kind, plan: Any, commitment: Commitment) -> None:
    """The operator signed for this very plan: a hub cannot put another in its place."""
    if json_digest(kind.to_json(plan)) not in commitment.plans:
        raise OutOfScope("plan", "the operator's commitment does not name this plan: it never asked for it")
    if extra := sorted(set(kind.touched(plan)) - set(commitment.datasets)):
        raise OutOfScope("data", f"the plan reads {extra[0]}, which the operator's commitment does not list")


def _participants(value: Any, roster: Roster) -> tuple[str, ...]:
    participants = tuple(roster.node(str(node)).id for node in value)
    try:
        check_distinct(list(participants), "participants")
    except ValueError as error:
        raise OutOfScope("participants", str(error)) from None
    return participants


def _records(
    relayed: Sequence[Record], participants: Sequence[str], touched: Mapping[str, tuple[str, ...]]
) -> tuple[Record, ...]:
    """One record of each participant and dataset of the plan, signed by its owner, and no other."""
    wanted = [(node, dataset) for node in participants for dataset in touched]
    found = {(record.document.node, record.document.dataset): record for record in relayed}
    if len(found) != len(relayed) or set(found) != set(wanted):
        raise OutOfScope(
            "records",
            "the hub does not relay exactly one signed dataset record for each participant and dataset of the plan: "
            "who takes part is not who holds the data",
        )
    return tuple(found[key] for key in wanted)


def _readings(records: Sequence[Record], touched: Mapping[str, tuple[str, ...]]) -> list[Reading]:
    """What every participant would read, with the rows that its owner declares at most."""
    found = [record.document for record in records]
    return [Reading(item.node, item.dataset, touched[item.dataset], item.rows_at_most) for item in found]


def _declarations(name: str, records: Sequence[Record], declared: Declared) -> Dataset:
    """The declarations behind the digest that every participant's owner signed, whatever the hub shows."""
    dataset = Dataset.model_validate(declared(name))
    shown = json_digest(dataset.model_dump(mode="json"))
    for record in records:
        signed = record.document
        if signed.dataset == name and not same_digest(signed.dataset_digest, shown):
            raise OutOfScope(
                "dataset_digest",
                f"the hub shows other declarations of {name} than {signed.owner} signed for its version "
                f"'{signed.label}': roles, grades or domains of its columns may be false. Do not sign",
            )
    return dataset


def _output(given: OutputRule, kind: Kind, plan: Any, datasets: Sequence[Dataset]) -> tuple[OutputRule, Profile]:
    """The rule under which numbers leave must be the one that plan and declarations name, as this machine knows it."""
    profile = load_profile(kind.profile(plan))
    named = {"profile": profile.name, "version": profile.version, "digest": profile.digest}
    ours = OutputRule.model_validate({"form": kind.form, **named})
    if given != ours:
        raise OutOfScope("output", f"the hub names another output rule than {profile.id} as it is known here")
    for dataset in datasets:
        if dataset.profile != profile.id:
            raise OutOfScope(
                "output", f"dataset {dataset.name} demands profile {dataset.profile}, the plan {profile.id}"
            )
    return ours, profile
