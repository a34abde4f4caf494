"""What can go wrong with the database itself."""

from __future__ import annotations

from sandbox.errors import InvalidSpec, Unavailable


class BadDatabase(InvalidSpec):
    """A database that must not hold a hub's state as it is configured."""

    code = "bad-database"
    advice = "Correct `database` in the configuration, or the database itself; docs/postgresql.md lists what it needs."


class StoreUnavailable(Unavailable):
    """The database cannot be reached, is locked by somebody else, or has no room. Nothing is known to be written."""

    code = "store-unavailable"
    advice = "Try again; whoever runs the hub looks at its database. Repeat a submission with its Idempotency-Key."
