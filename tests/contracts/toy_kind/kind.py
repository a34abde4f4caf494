"""The front of the toy kind: ``{"dataset": ..., "column": ..., "label": ...}`` to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import ValidationError

from jobs.disclosure.zcdp import Spend
from jobs.documents import json_digest
from jobs.errors import BadDocument, InvalidRequest, OutOfScope
from jobs.kinds.base import Compiled, Kind, Reading, Receiver, Round
from jobs.schema import CatalogueView, Dataset, Model, Role, Scalar


class Plan(Model):
    dataset: str
    column: str
    unit: str
    unit_domain: str
    label: str
    """Another label is another question: the same one is answered from the cache."""
    parts: int
    profile: str


class Words(Model):
    lines: tuple[str, ...]

    def text(self) -> str:
        return "\n".join(self.lines)


class ToySum:
    name: ClassVar[str] = "toy-sum"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "sum by shares, for tests"
    form: ClassVar[str] = "aggregate"
    rounds: ClassVar[tuple[Round, ...]] = (
        Round("share", Receiver.NODE),
        Round("mix", Receiver.NODE),
        Round("total", Receiver.HUB, reveals=True, binding=True),
    )
    metered: ClassVar[tuple[str, ...]] = ("sums",)
    recomputed: ClassVar[bool] = True

    def compile(self, request: Mapping[str, Any], view: CatalogueView) -> Compiled:
        if set(request) != {"dataset", "column", "label"}:
            raise InvalidRequest("a toy sum names a dataset, a column and a label")
        try:
            dataset = view.dataset(request["dataset"])
            column = dataset.column(request["column"])
        except KeyError as error:
            raise InvalidRequest(f"there is no {error.args[0]}") from None
        if column.role is not Role.MEASURE:
            raise InvalidRequest(f"{column.name} is no measure")
        parts = len(view.holdings_of(dataset.name))
        if parts < 2:
            raise InvalidRequest("shares need two holders at least")
        unit = dataset.column(dataset.unit)
        named = {"dataset": dataset.name, "column": column.name, "label": str(request["label"])}
        named |= {"unit": unit.name, "unit_domain": str(unit.unit_domain)}
        return Compiled(Plan(**named, parts=parts, profile=dataset.profile), {})

    def read(self, plan: Mapping[str, Any]) -> Plan:
        try:
            return Plan.model_validate(plan)
        except ValidationError:
            raise BadDocument("no plan of a toy sum") from None

    def to_json(self, plan: Plan) -> dict[str, Any]:
        return plan.model_dump(mode="json")

    def parameters(self, plan: Plan, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        if values:
            raise InvalidRequest("a toy sum has no parameters")
        return {}

    def check(self, plan: Plan, own: str, datasets: Mapping[str, Dataset], readings: Sequence[Reading]) -> None:
        dataset = datasets[plan.dataset]
        if dataset.column(plan.column).role is not Role.MEASURE or len(readings) != plan.parts:
            raise OutOfScope("plan", "the plan is not one of a toy sum over these parts")
        if (plan.unit, plan.unit_domain) != (dataset.unit, dataset.column(dataset.unit).unit_domain):
            raise OutOfScope("plan", "the plan asks about other individuals than the dataset is about")
        if any((reading.dataset, reading.columns) != (plan.dataset, _columns(plan)) for reading in readings):
            raise OutOfScope("data", "the permit names other data than the plan reads")

    def touched(self, plan: Plan) -> Mapping[str, tuple[str, ...]]:
        return {plan.dataset: _columns(plan)}

    def readings(self, plan: Plan, view: CatalogueView) -> tuple[Reading, ...]:
        held = view.holdings_of(plan.dataset)
        return tuple(Reading(holding.node, plan.dataset, _columns(plan), holding.max_rows) for holding in held)

    def profile(self, plan: Plan) -> str:
        return plan.profile

    def explain(self, plan: Plan, datasets: Sequence[Dataset]) -> Words:
        return Words(lines=(f"The sum of {plan.column} over {plan.parts} parts of {plan.dataset}.", _digest(plan)))

    def cost(self, plan: Plan) -> Mapping[str, int]:
        return {"sums": 1}

    def spends(self, plan: Plan) -> tuple[Spend, ...]:
        return ()


def _columns(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted((plan.unit, plan.column)))


def _digest(plan: Plan) -> str:
    return f"plan {json_digest(plan.model_dump(mode='json'))}"


KIND: Final[Kind] = ToySum()
