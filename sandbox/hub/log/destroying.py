"""The end of contents: of a job that is over, or of a month of network addresses. Digests, signatures and log stay.

Run by the platform on the hub's machine, since the keys are its own; the log tells authority, auditor and parties.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from sandbox.errors import InvalidTransition, NotFound
from sandbox.policy.states import State, is_final
from sandbox.store.contents import destroy
from sandbox.store.event import Actor, Event
from sandbox.store.origins import month_of
from sandbox.store.store import Store
from sandbox.store.tables import content_keys, jobs

ORDERED: Final = "content.ordered"


def destroy_contents(store: Store, name: str, by: Actor) -> int:
    """Destroy all contents of job ``name`` (or of ``addresses-YYYY-MM``) for good; returns how many there were.

    Raises ``NotFound`` if there is nothing left to destroy, ``InvalidTransition`` for a job that is not over and for
    the running month.
    """
    with store.change(Event(ORDERED, by, job=name)) as change:
        state = change.execute(select(jobs.c.state).where(jobs.c.id == name)).scalar()
        if state is not None and not is_final(State(state)):
            raise InvalidTransition(f"job {name} is {state}: its contents can be destroyed when it is over")
        if name == month_of(change.now):
            raise InvalidTransition(f"{name} is the running month: its addresses can be destroyed when it is over")
        alive = content_keys.c.key.is_not(None)
        query = select(content_keys.c.scope).where(alive & content_keys.c.scope.in_((name, f"walk {name}")))
        scopes = list(change.execute(query).scalars())
        if not scopes:
            raise NotFound(f"nothing of {name} is left to destroy")
        gone = sum(destroy(change, scope, by) for scope in sorted(scopes))
    store.scrub()
    return gone
