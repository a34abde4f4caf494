"""Joint statistics (联合统计): SQL over horizontally held tables; a table of vetted numbers leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field, ValidationError

from jobs.disclosure.zcdp import Spend
from jobs.documents.base import faults
from jobs.errors import BadDocument, InvalidRequest, OutOfScope
from jobs.kinds.base import Compiled, Kind, Reading, Receiver, Round
from jobs.kinds.statistics.plan.check import check_plan
from jobs.kinds.statistics.plan.compile import compile_sql
from jobs.kinds.statistics.plan.parameters import check_parameters
from jobs.kinds.statistics.plan.private import spends
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.words import PlanWords, explain
from jobs.schema import CatalogueView, Dataset, Model, Scalar


class Request(Model):
    """``{"sql": ..., "parameters": {...}}``."""

    sql: str = Field(min_length=1, max_length=100_000)
    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=64)


class Statistics:
    name: ClassVar[str] = "statistics"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "joint statistic (联合统计)"
    form: ClassVar[str] = "aggregate"
    rounds: ClassVar[tuple[Round, ...]] = (
        Round("key", Receiver.ALL),
        Round("flags", Receiver.HUB, reveals=True),
        Round("open", Receiver.ALL, by_hub=True),
        Round("values", Receiver.HUB, reveals=True, binding=True),
    )
    metered: ClassVar[tuple[str, ...]] = ("cells",)
    recomputed: ClassVar[bool] = True
    """Parts carry their noise before they are masked: whoever takes part may see every vector and total."""

    def compile(self, request: Mapping[str, Any], view: CatalogueView) -> Compiled:
        try:
            asked = Request.model_validate(dict(request))
        except ValidationError as error:
            raise InvalidRequest(f"not a request for a statistic: {faults(error)}") from None
        plan = compile_sql(asked.sql, view)
        return Compiled(plan, check_parameters(plan, asked.parameters))

    def read(self, plan: Mapping[str, Any]) -> Plan:
        try:
            return Plan.model_validate(plan)
        except ValidationError as error:
            raise BadDocument(f"not a valid plan of a statistic: {faults(error)}") from None

    def to_json(self, plan: Plan) -> dict[str, Any]:
        return plan.model_dump(mode="json")

    def parameters(self, plan: Plan, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        return check_parameters(plan, values)

    def check(self, plan: Plan, own: str, datasets: Mapping[str, Dataset], readings: Sequence[Reading]) -> None:
        touched = self.touched(plan)
        nodes = dict.fromkeys(reading.node for reading in readings)
        if plan.holders != len(nodes):
            raise OutOfScope("participants", "the plan adds another number of parts than the permit has participants")
        for node in nodes:
            found = {reading.dataset: tuple(sorted(reading.columns)) for reading in readings if reading.node == node}
            if found != touched:
                raise OutOfScope("data", f"the permit names other datasets or columns for {node} than the plan reads")
        rows = sum(reading.rows for reading in readings if reading.dataset == plan.dataset)
        check_plan(plan, tuple(datasets.values()), rows)

    def touched(self, plan: Plan) -> Mapping[str, tuple[str, ...]]:
        return plan.columns_touched()

    def readings(self, plan: Plan, view: CatalogueView) -> tuple[Reading, ...]:
        nodes = [holding.node for holding in view.holdings_of(plan.dataset)]
        if not nodes:
            raise InvalidRequest(f"nobody holds {plan.dataset} at present")
        return tuple(
            _reading(node, name, columns, view) for node in nodes for name, columns in self.touched(plan).items()
        )

    def profile(self, plan: Plan) -> str:
        return plan.profile

    def explain(self, plan: Plan, datasets: Sequence[Dataset]) -> PlanWords:
        return explain(plan, tuple(datasets))

    def cost(self, plan: Plan) -> Mapping[str, int]:
        return {"cells": plan.cells * len(plan.aggregates)}

    def spends(self, plan: Plan) -> tuple[Spend, ...]:
        return spends(plan)


def _reading(node: str, dataset: str, columns: tuple[str, ...], view: CatalogueView) -> Reading:
    for holding in view.holdings_of(dataset):
        if holding.node == node:
            return Reading(node, dataset, columns, holding.max_rows)
    raise InvalidRequest(f"{node} takes part but holds no {dataset}: leave the join out, or ask its owner")


KIND: Final[Kind] = Statistics()
