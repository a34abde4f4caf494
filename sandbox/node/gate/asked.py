"""One question as rows: what it asks of each system, what was answered before, and which bases it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from jobs.disclosure.gate import Bits, Inquiry, Question
from sandbox.node.gate.addition import Subject
from sandbox.node.gate.kernels import Int32

_ID = 16


@dataclass(repr=False)
class Asked:
    """New rows of one system: (partition, base) of the question each, for so many answers, with the ids of them."""

    places: dict[tuple[int, int], int] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    ids: list[list[bytes]] = field(default_factory=list)
    row_of: dict[bytes, int] = field(default_factory=dict)

    def take(self, inquiry: Inquiry, base: int, id_: bytes) -> int:
        """The row of a cell; the same id within one question is the same answer."""
        if id_ in self.row_of:
            return self.row_of[id_]
        row = self.places.setdefault((inquiry.partition, base), len(self.answers))
        if row == len(self.answers):
            self.answers.append(0)
            self.ids.append([])
        self.answers[row] += inquiry.answers
        self.ids[row].append(id_)
        self.row_of[id_] = row
        return row


def sizes_of(question: Question) -> list[Int32]:
    """Per partition how many records each base has; raises ``ValueError`` for a question that contradicts itself."""
    count = question.records.count
    if any(len(labels) != count for labels in question.records.labels):
        raise ValueError("a partition has one label for each record")
    sizes = [np.bincount(labels[labels >= 0]).astype(np.int32) for labels in question.records.labels]
    said = question.of_units
    for inquiry in question.inquiries:
        if not 0 <= inquiry.partition < len(sizes) or inquiry.answers < 1 or len(inquiry.ids) != len(inquiry.bases):
            raise ValueError("an inquiry names a partition, at least one answer, and an id for each cell")
        if any(len(id_) != _ID for id_ in inquiry.ids):
            raise ValueError("an id has 16 bytes")
        if inquiry.holders < 1:
            raise ValueError("what is told has at least one holder")
        if inquiry.of_unit != (inquiry.subject in said):
            raise ValueError("a column is said of the unit or of the record, in all of a question")
    return sizes


def rows_asked(
    question: Question, sizes: list[Int32], answered: dict[Subject, frozenset[bytes]]
) -> tuple[dict[Subject, Asked], list[Int32]]:
    """Per system its new rows, and per inquiry of each cell the row that it rests on, -1 where it adds none."""
    asked: dict[Subject, Asked] = {}
    rows: list[Int32] = []
    for inquiry in question.inquiries:
        known = answered.get(inquiry.subject, frozenset())
        held = sizes[inquiry.partition]
        out = np.full(len(inquiry.bases), -1, np.int32)
        for cell, (base, id_) in enumerate(zip(inquiry.bases.tolist(), inquiry.ids, strict=True)):
            if 0 <= base < len(held) and held[base] and id_ not in known:
                out[cell] = asked.setdefault(inquiry.subject, Asked()).take(inquiry, base, id_)
        rows.append(out)
    return asked, rows


def verdict_of(rows: Int32, kept: Bits | None) -> Bits:
    """Of each cell whether its row was kept; a cell without a row may be answered."""
    out = np.ones(len(rows), bool)
    if kept is not None:
        out[rows >= 0] = kept[rows[rows >= 0]]
    return out
