"""The life of a job as one table: in which state which event leads where, and who may cause it.

Run by the hub before every change of a job. A coarse ``State`` decides, the fine status that people see only informs.
The diagram in ``docs/architecture.md`` is rendered from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """``submitted`` and ``ready`` last no longer than the transaction that enters them: the hub decides at once."""

    SUBMITTED = "submitted"
    NEEDS_APPROVAL = "needs_approval"
    READY = "ready"
    RUNNING = "running"
    RELEASED = "released"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Cause(StrEnum):
    """Who brings an event about; ``clock`` is the hub's own ticker."""

    OPERATOR = "operator"
    OWNER = "owner"
    HUB = "hub"
    NODE = "node"
    CLOCK = "clock"


class Event(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"
    REPLAY = "replay"
    GRANT = "grant"
    DENY = "deny"
    PERMIT = "permit"
    RELEASE = "release"
    FAIL = "fail"
    REVOKE = "revoke"
    CANCEL = "cancel"
    EXPIRE = "expire"


@dataclass(frozen=True)
class Transition:
    source: State
    event: Event
    target: State
    causes: frozenset[Cause]


class NoSuchTransition(Exception):
    """The event does not exist in this state, or this party may not cause it. The port turns it into its own error."""

    def __init__(self, state: State, event: Event, cause: Cause, may: frozenset[Cause]) -> None:
        self.state, self.event, self.cause = state, event, cause
        who = f"; only {', '.join(sorted(may))} may" if may else ""
        super().__init__(f"a job that is {state} cannot {event} by the {cause}{who}")


def decide_next(state: State, event: Event, cause: Cause) -> State:
    """The state after the event; raises ``NoSuchTransition``."""
    found = _TABLE.get((state, event))
    if found is None:
        raise NoSuchTransition(state, event, cause, frozenset())
    if cause not in found.causes:
        raise NoSuchTransition(state, event, cause, found.causes)
    return found.target


def is_final(state: State) -> bool:
    """No event leaves this state."""
    return not any(transition.source is state for transition in TRANSITIONS)


def render_state_diagram() -> str:
    """The table as a Mermaid state diagram, one line for each transition."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> submitted: submit (operator)"]
    for item in TRANSITIONS:
        lines.append(f"    {item.source} --> {item.target}: {item.event} ({', '.join(sorted(item.causes))})")
    lines += [f"    {state} --> [*]" for state in State if is_final(state)]
    return "\n".join([*lines, "```"]) + "\n"


def _by(*causes: Cause) -> frozenset[Cause]:
    return frozenset(causes)


_HUB: Final = _by(Cause.HUB)
_OWNER: Final = _by(Cause.OWNER)
_OPERATOR: Final = _by(Cause.OPERATOR)
_CLOCK: Final = _by(Cause.CLOCK)

TRANSITIONS: Final = (
    Transition(State.SUBMITTED, Event.ALLOW, State.READY, _HUB),
    Transition(State.SUBMITTED, Event.ASK, State.NEEDS_APPROVAL, _HUB),
    Transition(State.SUBMITTED, Event.REFUSE, State.DENIED, _HUB),
    Transition(State.NEEDS_APPROVAL, Event.GRANT, State.READY, _OWNER),
    Transition(State.NEEDS_APPROVAL, Event.DENY, State.DENIED, _OWNER),
    Transition(State.NEEDS_APPROVAL, Event.REFUSE, State.DENIED, _HUB),
    Transition(State.NEEDS_APPROVAL, Event.CANCEL, State.CANCELLED, _OPERATOR),
    Transition(State.NEEDS_APPROVAL, Event.EXPIRE, State.EXPIRED, _CLOCK),
    Transition(State.READY, Event.PERMIT, State.RUNNING, _HUB),
    Transition(State.READY, Event.REPLAY, State.RELEASED, _HUB),
    Transition(State.RUNNING, Event.RELEASE, State.RELEASED, _by(Cause.NODE)),
    Transition(State.RUNNING, Event.FAIL, State.FAILED, _by(Cause.HUB, Cause.NODE, Cause.CLOCK)),
    Transition(State.RUNNING, Event.REVOKE, State.FAILED, _OWNER),
    Transition(State.RUNNING, Event.CANCEL, State.CANCELLED, _OPERATOR),
)
_TABLE: Final = {(item.source, item.event): item for item in TRANSITIONS}
