"""The front of the note kind: ``{"dataset": ..., "fault": ...}`` to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from pydantic import ValidationError

from jobs.disclosure.zcdp import Spend
from jobs.errors import BadDocument, InvalidRequest
from jobs.kinds.base import Compiled, Kind, Reading, Receiver, Round
from jobs.schema import CatalogueView, Dataset, Model, Scalar

COLUMN: Final = "delay"


class Plan(Model):
    dataset: str
    fault: Literal["", "check", "advance", "round", "render", "shown"] = ""
    profile: str


class Words(Model):
    line: str

    def text(self) -> str:
        return self.line


class Notes:
    name: ClassVar[str] = "note"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "notes, for tests"
    form: ClassVar[str] = "aggregate"
    rounds: ClassVar[tuple[Round, ...]] = (
        Round("note", Receiver.NODE, repeats=3),
        Round("mark", Receiver.HUB, reveals=True, binding=True),
    )
    metered: ClassVar[tuple[str, ...]] = ("marks",)
    recomputed: ClassVar[bool] = True

    def compile(self, request: Mapping[str, Any], view: CatalogueView) -> Compiled:
        try:
            profile = view.dataset(request["dataset"]).profile
            return Compiled(Plan(**request, profile=profile), {})
        except (KeyError, TypeError, ValidationError):
            raise InvalidRequest("notes name a dataset, and a fault or none") from None

    def read(self, plan: Mapping[str, Any]) -> Plan:
        try:
            return Plan.model_validate(plan)
        except ValidationError:
            raise BadDocument("no plan of notes") from None

    def to_json(self, plan: Plan) -> dict[str, Any]:
        return plan.model_dump(mode="json")

    def parameters(self, plan: Plan, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return dict(values)

    def check(self, plan: Plan, own: str, datasets: Mapping[str, Dataset], readings: Sequence[Reading]) -> None:
        return

    def touched(self, plan: Plan) -> Mapping[str, tuple[str, ...]]:
        return {plan.dataset: (COLUMN,)}

    def readings(self, plan: Plan, view: CatalogueView) -> tuple[Reading, ...]:
        return tuple(Reading(held.node, plan.dataset, (COLUMN,), 1000) for held in view.holdings_of(plan.dataset))

    def profile(self, plan: Plan) -> str:
        return plan.profile

    def explain(self, plan: Plan, datasets: Sequence[Dataset]) -> Words:
        return Words(line=f"notes about {plan.dataset}")

    def cost(self, plan: Plan) -> Mapping[str, int]:
        return {"marks": 1}

    def spends(self, plan: Plan) -> tuple[Spend, ...]:
        return ()


KIND: Final[Kind] = Notes()
