"""The owner asks its own node what a request would meet there: scan and judge as a job does, then forget all of it.

Needs no permit, since an owner looks at its own data and nothing leaves. Asked at the control socket only. No answer is
stored, nothing is charged, no veto counted and no audit state changed; keys that the first job would make are made.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as NotYet
from typing import Any, Final

from jobs.disclosure.gate import Question
from jobs.disclosure.profile import Profile, load_profile
from jobs.errors import InvalidRequest
from jobs.kinds.base import Reading
from jobs.kinds.registry import kind_of, make_dry_run
from jobs.permit import OwnLook
from jobs.schema import CatalogueView, Holding, NodeId, OwnerId
from sandbox.errors import InvalidSpec, NotGranted, Timeout, Unavailable
from sandbox.node import snapshots
from sandbox.node.accept import check_columns
from sandbox.node.asking import Foreseen, foresee, rows_digest
from sandbox.node.config import NodeConfig
from sandbox.node.context import Context
from sandbox.node.excluding import check_exclusions
from sandbox.node.state import Held

PATIENCE_S: Final = 600.0
"""For the scan; the owner's command waits as long."""
MOST_OWNERS: Final = 10_000
_one_at_a_time: Final = threading.Lock()


def dry_run(context: Context, command: Mapping[str, Any]) -> dict[str, Any]:
    """What each rule would withhold, and the audit before and after; as JSON.

    ``command``: ``kind``, and either ``plan``, ``parameters`` and ``readings`` of a request, or ``request`` to be
    compiled here, as if ``owners`` took part with as many rows each. Raises as an order for it would be refused.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise Unavailable("another dry run is under way at this node: wait for its end")
    try:
        return _dry_run(context, command)
    finally:
        _one_at_a_time.release()


def _dry_run(context: Context, command: Mapping[str, Any]) -> dict[str, Any]:
    with context.state.read() as connection:
        held = context.state.held(connection)
    look = _look(command, held, context.config)
    inputs = _inputs(look, held, context.config)
    profile = load_profile(look.kind.profile(look.plan))
    if profile.privacy is not None:
        raise InvalidRequest(
            f"under {profile.id} nothing is withheld by looking at data, so there is nothing to try: "
            "'unseen review show' says the price of the request, 'unseen node audit' what is left"
        )
    with context.state.read() as connection:
        check_exclusions(connection, inputs)
        gate = context.gate.seeds(rows_digest(connection, inputs))
    run = make_dry_run(look.kind)(look.plan, look.parameters, profile, gate)
    scan = context.runner.submit(look, run.step, snapshots.inputs(context.state, inputs))
    try:
        result = scan.result(timeout=PATIENCE_S)
    except NotYet:
        scan.cancel()
        raise Timeout("the scan did not end in ten minutes: group more coarsely") from None
    ask = run.asked(result)
    foreseen = foresee(context.gate, context.state, ask, profile, inputs)
    return {
        "profile": profile.id,
        "decided_by": sorted(inputs),
        **run.told(foreseen.verdict),
        "audit": _audit(foreseen, ask.questions, profile),
        "vetoes": _vetoes(foreseen, ask.vetoes, profile),
    }


def _look(command: Mapping[str, Any], held: Mapping[str, Held], config: NodeConfig) -> OwnLook:
    kind, datasets = kind_of(str(command.get("kind", ""))), {name: item.dataset for name, item in held.items()}
    try:
        if "request" in command:
            compiled = kind.compile(command["request"], _view(held, config, command.get("owners", 1)))
            return OwnLook(kind, compiled.plan, compiled.parameters)
        plan = kind.read(command["plan"])
        readings = [Reading(r["node"], r["dataset"], tuple(r["columns"]), r["rows"]) for r in command["readings"]]
        parameters = kind.parameters(plan, command.get("parameters", {}))
    except (KeyError, TypeError, AttributeError):
        raise InvalidSpec("dry-run: kind, and either request or plan, parameters and readings") from None
    kind.check(plan, config.node, datasets, readings)
    return OwnLook(kind, plan, parameters)


def _view(held: Mapping[str, Held], config: NodeConfig, owners: Any) -> CatalogueView:
    """This node's datasets, and as many further holders as the owner says; they are named only to be counted."""
    if type(owners) is not int or not 1 <= owners <= MOST_OWNERS:
        raise InvalidSpec(f"dry-run: owners is how many take part, 1 to {MOST_OWNERS}")
    nodes = [config.node, *(f"other-{number}" for number in range(1, owners))]
    holdings = [
        Holding(
            dataset=name, owner=OwnerId(node), node=NodeId(node), provider=node, version_commitment=item.version,
            max_rows=item.rows_at_most,
        )
        for name, item in held.items()
        for node in nodes
    ]  # fmt: skip
    return CatalogueView(datasets=tuple(item.dataset for item in held.values()), holdings=tuple(holdings))


def _inputs(look: OwnLook, held: Mapping[str, Held], config: NodeConfig) -> dict[str, Held]:
    touched = look.kind.touched(look.plan)
    for name in touched:
        if name not in held:
            raise NotGranted(f"this node holds no dataset {name}: register it first")
    check_columns(touched, config)
    return {name: held[name] for name in touched}


def _audit(foreseen: Foreseen, questions: Sequence[Question], profile: Profile) -> list[dict[str, Any]]:
    """Per unit domain and system, what stands and what would; never whose the leverage is."""
    holders = {
        (question.unit_domain, subject): count for question in questions for subject, count in question.holders.items()
    }
    found = []
    for domain, after in foreseen.after.items():
        before = {item.subject: item for item in foreseen.before[domain]}
        for item in after:
            old = before.get(item.subject)
            found.append(
                {
                    "unit_domain": domain,
                    "subject": item.subject,
                    "before": 0.0 if old is None else old.highest,
                    "after": item.highest,
                    "cap": profile.leverage_cap_percent / 100 / holders.get((domain, item.subject), 1),
                    "rows": item.rows - (0 if old is None else old.rows),
                }
            )
    return found


def _vetoes(foreseen: Foreseen, added: int, profile: Profile) -> list[dict[str, Any]]:
    """Only where rules that look at secret values are on: beyond the limit nothing more is answered."""
    if not (profile.dominance_k_percent or profile.p_percent):
        return []
    return [
        {"unit_domain": domain, "before": count, "after": count + added, "limit": profile.secret_vetoes}
        for domain, count in foreseen.vetoes.items()
    ]
