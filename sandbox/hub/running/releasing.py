"""The last step: numbers through the gate, then one transaction holds release, usage and log entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert

from jobs.disclosure.profile import Profile, load_profile
from jobs.documents import (
    SALT_BYTES,
    Delivery,
    Envelope,
    Output,
    Release,
    Verdict,
    canonical,
    digest,
    json_digest,
    moment_text,
    salted_commitment,
)
from jobs.errors import JobError
from jobs.kinds.statistics.gated import read_gated
from jobs.kinds.statistics.opening import Bits
from jobs.kinds.statistics.release import Released, ReleasedTable, assemble, round_all
from jobs.kinds.statistics.tableform import TableFiles, render_table
from sandbox.errors import Denied
from sandbox.hub.core.hub import HUB, Hub
from sandbox.hub.running.closing import end_in
from sandbox.hub.running.coordinator import Joint, add_values
from sandbox.hub.running.incoming import decoded
from sandbox.hub.running.jobstate import move, put
from sandbox.messages import Gated, Values
from sandbox.policy.states import Cause
from sandbox.policy.states import Event as Step
from sandbox.store.store import Change
from sandbox.store.tables import deliveries, releases, usage


def release_job(
    hub: Hub, change: Change, row: Row[Any], joint: Joint, values: Sequence[Envelope], sent: Sequence[Envelope]
) -> None:
    """Open the totals, decide, and write everything in the caller's transaction; a refusal of the gate ends the job."""
    order = joint.permit.document
    if joint.passed is None:
        raise ValueError("values were added before any cell was opened")
    try:
        profile = load_profile(joint.plan.profile)
        numbers = _numbers(joint, joint.passed, profile, values)
        released = assemble(joint.plan, order.parameters, profile, joint.passed, numbers)
    except (Denied, JobError) as error:
        end_in(change, row, Step.FAIL, Cause.HUB, HUB, error.code, str(error))
        return
    release_id = hub.random_id("release")
    source = _source_line(hub, row, joint)
    files = render_table(released.table, release_id, source)
    salt = hub.rng(SALT_BYTES)
    release = Release(
        id=release_id,
        job=row.id,
        operator=order.operator,
        spec=row.spec,
        permit=joint.permit.digest,
        plan_digest=order.plan_digest,
        commitment=order.commitment,
        grants=order.grants,
        roster=order.roster,
        sent=tuple(envelope.digest for envelope in sent),
        verdict=_verdict(released, joint),
        content=salted_commitment(salt, json_digest(files.shown)),
        source_line=source,
        released_at=change.now,
    )
    _write(hub, change, row, joint, release, released, files, salt)


def _numbers(joint: Joint, passed: Bits, profile: Profile, values: Sequence[Envelope]) -> list[list[Released]]:
    """Released numbers per aggregate, per cell: rounded here, or by the node of the only owner."""
    if joint.has_one_owner:
        return read_gated(joint.plan, profile, passed, decoded(values[0], Gated).numbers)
    totals = add_values(joint, passed, [decoded(envelope, Values) for envelope in values])
    return round_all(joint.plan, profile, passed, totals.rows)


def _write(
    hub: Hub,
    change: Change,
    row: Row[Any],
    joint: Joint,
    release: Release,
    released: ReleasedTable,
    files: TableFiles,
    salt: bytes,
) -> None:
    envelope = release.sign(hub.key)
    delivery_salt = hub.rng(SALT_BYTES)
    delivery = Delivery(
        id=hub.random_id("delivery"),
        release=envelope.digest,
        receiver=release.operator,
        outputs=tuple(_outputs(files, delivery_salt)),
        delivered_at=change.now,
    ).sign(hub.key)
    digests = (envelope.digest, joint.permit.digest, delivery.digest)
    facts = {"cells": release.verdict.released_cells, "suppressed": release.verdict.suppressed_cells}
    entry = move(
        change, row, Step.RELEASE, Cause.NODE, HUB, digests=digests, facts=facts, release_of=row.id, failure=None
    )
    stored = {
        "job": row.id,
        "digest": envelope.digest,
        "replay_key": row.replay_key,
        "envelope": envelope.encode(),
        "table": canonical({"verdict": released.verdict, **files.shown}).decode(),
        "csv": files.csv,
        "arrow": files.arrow,
        "salt": salt,
        "entry": entry,
    }
    change.execute(insert(releases).values(stored))
    given = {"digest": delivery.digest, "job": row.id, "receiver": release.operator, "salt": delivery_salt}
    change.execute(insert(deliveries).values(**given, envelope=delivery.encode()))
    change.execute(insert(usage), list(_usage(hub, change, row, joint, release)))
    for node in joint.participants:
        put(change, node, "finished", row.id, {"state": "released", "release_digest": envelope.digest})


def _usage(hub: Hub, change: Change, row: Row[Any], joint: Joint, release: Release) -> list[dict[str, Any]]:
    roster = hub.roster_of(row.roster).document
    order = joint.permit.document
    pairs = sorted({(roster.owner_of(use.node).id, use.dataset) for use in order.data})
    booked = {"operator": order.operator, "runs": 1, "cells": release.verdict.released_cells}
    at = moment_text(change.now)
    return [{"job": row.id, "owner": owner, "dataset": dataset, "at": at, **booked} for owner, dataset in pairs]


def _verdict(released: ReleasedTable, joint: Joint) -> Verdict:
    cells, suppressed = int(released.verdict["cells"]), int(released.verdict["suppressed"])
    rules = released.verdict.get("rules", {})
    findings = tuple(f"{where.replace('_', ' ')}: {', '.join(names)}" for where, names in sorted(rules.items()))
    return Verdict(
        passed=True,
        output=joint.permit.document.output,
        released_cells=cells - suppressed,
        suppressed_cells=suppressed,
        findings=findings,
    )


def _outputs(files: TableFiles, salt: bytes) -> list[Output]:
    """Digests of outputs leave the hub as salted commitments only: a small table could be guessed from a digest."""
    return [
        Output(media_type=media_type, size=len(content), commitment=salted_commitment(salt, digest(content)))
        for media_type, content in files.contents()
    ]


def _source_line(hub: Hub, row: Row[Any], joint: Joint) -> str:
    """Data source and providers (requirement R14)."""
    roster = hub.roster_of(row.roster).document
    providers = dict.fromkeys(roster.owner_of(node).name for node in joint.participants)
    datasets = ", ".join(sorted(joint.plan.columns_touched()))
    return f"Source: {datasets}, provided by {', '.join(providers)}."
