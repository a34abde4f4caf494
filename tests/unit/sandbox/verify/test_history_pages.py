"""A node's export in pages is one record again, and a missing page is said."""

from datetime import UTC, datetime

import pytest

from jobs.documents import OutboxEntry, OutboxRecord, SentMessage, digest
from sandbox.errors import BadProof
from sandbox.verify import join_pages

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def page(node: str, first: int, last: int) -> OutboxRecord:
    entries = tuple(
        OutboxEntry(
            number=n,
            permit=digest(b"permit"),
            message=SentMessage(
                sequence=0, round="key", receiver="hub", size=1, digest=digest(f"{node} {n}".encode()), sent_at=NOW
            ),
            binding=False,
            refused=None,
            transcript=None,
        )
        for n in range(first, last + 1)
    )
    return OutboxRecord(node=node, owner="o", issued=NOW, first=first, last=last, entries=entries)


def test_pages_of_each_node_are_joined_in_order() -> None:
    joined = join_pages([page("b", 1, 2), page("a", 4, 5), page("a", 1, 3)])
    assert [(record.node, record.first, record.last, len(record.entries)) for record in joined] == [
        ("a", 1, 5, 5),
        ("b", 1, 2, 2),
    ]
    assert [entry.number for entry in joined[0].entries] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("pages", [[(2, 3)], [(1, 2), (4, 5)]])
def test_a_missing_page_is_named(pages: list[tuple[int, int]]) -> None:
    with pytest.raises(BadProof, match="lacks message"):
        join_pages([page("a", *ends) for ends in pages])
