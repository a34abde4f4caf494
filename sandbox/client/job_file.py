"""The job file: what an operator asks, and the words that its use commitment is signed with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from jobs.documents.base import Label, Words
from jobs.schema import Model, Name, Scalar


class JobFile(Model):
    """A question, and why it is asked: either ``sql``, or ``kind`` and ``request`` for other kinds of jobs."""

    sql: Annotated[str, Field(min_length=1, max_length=100_000)] | None = None
    """One SELECT over datasets of the catalogue.

    Plan: all of it follows from this text and the owners' declarations. Audit: asked again, also in another spelling,
    it is the same question."""
    parameters: dict[Label, Scalar] = Field(default_factory=dict)
    """Values of the :names in the statement, under its names; --param NAME=VALUE on the command line goes before them.

    Plan: not part of it, so one grant can cover several values. Audit: another value is another question."""
    kind: str | None = None
    """Which kind of job, where it is not a statistic."""
    request: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    """The question in the shape of its kind."""
    scenario: Label
    """What the answer is used for, in a few words, on one line; the commitment names it and grants bind it."""
    purpose: Words
    """Why, in sentences that owners read before they sign; the commitment names it and grants bind it."""
    datasets: Annotated[tuple[Name, ...], Field(min_length=1, max_length=256)]
    """Every dataset that the question touches. The hub denies a job that touches another one."""

    @model_validator(mode="after")
    def _one_question(self) -> JobFile:
        if (self.sql is None) == (self.request is None):
            raise ValueError("a job file has sql, or kind and request")
        if (self.kind is None) != (self.request is None):
            raise ValueError("kind and request go together")
        if self.request is not None and self.parameters:
            raise ValueError("parameters are those of sql: a request holds its own")
        if not self.purpose.strip():
            raise ValueError("purpose: say why it is asked")
        return self
