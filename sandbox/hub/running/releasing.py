"""The last step: what the referee put out becomes a release, written with usage and log in one transaction.

Where participants recompute the output, the release is drafted first, shown to them with all that it was computed
from, and published when every one has signed it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from jobs.documents import (
    SALT_BYTES,
    Delivery,
    Envelope,
    Output,
    Release,
    Verdict,
    canonical,
    digest,
    moment_text,
    parse_json,
    salted_commitment,
)
from jobs.documents.ed25519 import encode_base64
from jobs.kinds import base
from jobs.kinds.base import Receiver
from sandbox.errors import IntegrityFailure
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.running.held import Key, destroy_bodies, envelopes, keep_for_auditor
from sandbox.hub.running.jobstate import move
from sandbox.hub.running.relay import put, put_named
from sandbox.hub.running.running_job import RunningJob, walk_scope
from sandbox.inbox import FinishedBody, OutputBody
from sandbox.messages import SENT
from sandbox.policy.states import Cause
from sandbox.policy.states import Event as Step
from sandbox.store import contents
from sandbox.store.store import Change
from sandbox.store.tables import deliveries, jobs, messages, releases, usage

_CONTENT: Final = "output content"
_FACTS: Final = "output facts"
DRAFT_SALT: Final = "draft salt"
SHOWN: Final = "shown"
"""Name of the content that ``GET /jobs/{id}/release`` answers with; files lie under their own names."""


def hold_output(change: Change, job: RunningJob, output: base.Output) -> None:
    """Keep what would be released until every participant has signed what it sent."""
    facts = {
        "released": output.released,
        "withheld": output.withheld,
        "metered": dict(output.metered),
        "verdict": dict(output.verdict),
    }
    contents.put(change, walk_scope(job.id), _CONTENT, output.content)
    contents.put(change, walk_scope(job.id), _FACTS, canonical(facts))


def draft_release(hub: Hub, change: Change, job: RunningJob) -> None:
    """Sign the release, show it to the participants with everything that it was computed from, and wait."""
    content, facts = _held(change, job)
    salt = hub.rng(SALT_BYTES)
    envelope = _release(hub, change, job, content, facts, salt).sign(hub.key)
    contents.put(change, walk_scope(job.id), DRAFT_SALT, salt)
    values = {"draft": envelope.encode(), "draft_digest": envelope.digest}
    change.execute(update(jobs).where(jobs.c.id == job.id).values(values))
    body = {
        "release": envelope.to_json(),
        "content": encode_base64(content),
        "salt": encode_base64(salt),
        "messages": [list(key) for key in inputs_of(change.connection, job.id, job.kind)],
    }
    put_named(change, job.participants, OutputBody.KIND, job.id, body)


def keep_inputs(change: Change, job: str, kind: base.Kind) -> None:
    """Before the bodies are destroyed: what a recomputed output rests on stays for the auditor, salt and all.

    Its parts were safe for every participant to see before they were masked. Of other kinds nothing stays.
    """
    for key in inputs_of(change.connection, job, kind):
        keep_for_auditor(change, job, key)
    contents.put(change, job, DRAFT_SALT, contents.get(change.connection, walk_scope(job), DRAFT_SALT))


def publish_release(hub: Hub, change: Change, job: RunningJob) -> None:
    """Write release, delivery, contents, usage and log, and tell the participants."""
    content, facts = _held(change, job)
    if job.row.draft is None:
        salt = hub.rng(SALT_BYTES)
        envelope = _release(hub, change, job, content, facts, salt).sign(hub.key)
    else:
        salt = contents.get(change.connection, walk_scope(job.id), DRAFT_SALT)
        envelope = Envelope.parse(bytes(job.row.draft))
    release = Release.open(envelope)
    rendered = job.referee.render(job.case, content, release.id, release.source_line)
    delivery_salt = hub.rng(SALT_BYTES)
    delivery = _delivery(hub, change, envelope, release, rendered, delivery_salt)
    entry = move(
        change,
        job.row,
        Step.RELEASE,
        Cause.NODE,
        HUB,
        digests=(envelope.digest, job.permit.digest, delivery.digest),
        facts={"released": release.verdict.released, "withheld": release.verdict.withheld},
        release_of=job.id,
        failure=None,
    )
    change.execute(
        insert(releases).values(
            job=job.id,
            digest=envelope.digest,
            replay_key=job.row.replay_key,
            envelope=envelope.encode(),
            salt=salt,
            entry=entry,
        )
    )
    given = {"digest": delivery.digest, "job": job.id, "receiver": release.operator, "salt": delivery_salt}
    change.execute(insert(deliveries).values(**given, envelope=delivery.encode()))
    contents.put(
        change, job.id, SHOWN, canonical({**rendered.shown, "verdict": facts["verdict"], "files": _listed(rendered)})
    )
    for file in rendered.files:
        contents.put(change, job.id, file.name, file.content)
    change.execute(insert(usage), _usage(hub, change, job, release, facts["metered"]))
    sent = envelopes(change.connection, job.id, SENT, job.participants)
    finished = FinishedBody(release=envelope.to_json(), sent=tuple(item.to_json() for item in sent))
    put(change, job.participants, job.id, finished)
    if job.kind.recomputed:
        keep_inputs(change, job.id, job.kind)
    destroy_bodies(change, job.id)


def _listed(rendered: base.Rendered) -> list[dict[str, Any]]:
    return [{"name": f.name, "media_type": f.media_type, "size": len(f.content)} for f in rendered.files]


def _held(change: Change, job: RunningJob) -> tuple[bytes, dict[str, Any]]:
    held = [contents.find(change.connection, walk_scope(job.id), name) for name in (_CONTENT, _FACTS)]
    if held[0] is None or held[1] is None:
        raise IntegrityFailure("all participants say that they sent everything, and there is nothing to release")
    facts: dict[str, Any] = parse_json(held[1])
    return held[0], facts


def _release(hub: Hub, change: Change, job: RunningJob, content: bytes, facts: dict[str, Any], salt: bytes) -> Release:
    order, verdict = job.permit.document, facts["verdict"]
    rules = verdict.get("rules", {})
    findings = tuple(f"{where.replace('_', ' ')}: {', '.join(names)}" for where, names in sorted(rules.items()))
    return Release(
        id=hub.random_id("release"),
        job=job.id,
        operator=order.operator,
        spec=job.row.spec,
        permit=job.permit.digest,
        plan_digest=order.plan_digest,
        commitment=order.commitment,
        grants=order.grants,
        roster=order.roster,
        sent=tuple(envelope.digest for envelope in envelopes(change.connection, job.id, SENT, job.participants)),
        verdict=Verdict(
            passed=True,
            output=order.output,
            released=facts["released"],
            withheld=facts["withheld"],
            findings=findings,
        ),
        content=salted_commitment(salt, digest(content)),
        source_line=_source_line(job),
        released_at=change.now,
    )


def _delivery(
    hub: Hub, change: Change, release: Envelope, document: Release, rendered: base.Rendered, salt: bytes
) -> Envelope:
    """Digests of outputs leave the hub as salted commitments only: a small table could be guessed from a digest."""
    outputs = tuple(
        Output(
            media_type=file.media_type,
            size=len(file.content),
            commitment=salted_commitment(salt, digest(file.content)),
        )
        for file in rendered.files
    )
    return Delivery(
        id=hub.random_id("delivery"),
        release=release.digest,
        receiver=document.operator,
        outputs=outputs,
        delivered_at=change.now,
    ).sign(hub.key)


def inputs_of(connection: Connection, job: str, kind: base.Kind) -> list[Key]:
    """Every message to the hub that the output was computed from, in the order in which the referee took them."""
    rounds = [row.name for row in kind.rounds if row.receiver is Receiver.HUB]
    query = select(messages).where((messages.c.job == job) & messages.c.round.in_(rounds)).order_by(messages.c.entry)
    return [(row.round, row.sequence, row.sender, row.receiver) for row in connection.execute(query)]


def _usage(
    hub: Hub, change: Change, job: RunningJob, release: Release, metered: dict[str, int]
) -> list[dict[str, Any]]:
    roster, order = job.roster.document, job.permit.document
    pairs = sorted({(roster.owner_of(use.node).id, use.dataset) for use in order.data})
    booked = {"job": job.id, "operator": order.operator, "at": moment_text(change.now)}
    return [
        {**booked, "owner": owner, "dataset": dataset, "unit": unit, "amount": amount}
        for owner, dataset in pairs
        for unit, amount in {"runs": 1, **metered}.items()
    ]


def _source_line(job: RunningJob) -> str:
    """Data source and providers (requirement R14)."""
    roster = job.roster.document
    providers = dict.fromkeys(roster.owner_of(node).name for node in job.participants)
    datasets = ", ".join(sorted({use.dataset for use in job.permit.document.data}))
    return f"Source: {datasets}, provided by {', '.join(providers)}."
