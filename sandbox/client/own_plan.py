"""The operator signs a plan that the hub compiled: is it the one of its own request? Compiled again here, and compared.

The compiler is pure. What it needs beside the request, the datasets' declarations and who holds how many rows at most,
the owners signed in their dataset records, so under a pinned root the hub is believed nothing. All that it can do
is leave a holder out; the plan in words says how many take part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from jobs.documents import Envelope, Roster, Verified, json_digest, same_digest, verify_dataset_record
from jobs.documents.base import faults
from jobs.errors import BadDocument, InvalidRequest, OutOfScope
from jobs.kinds.base import Kind
from jobs.schema import CatalogueView, Dataset, Holding
from sandbox.client.answers import DatasetShown

Look = Callable[[str], DatasetShown]
"""Dataset name -> what the hub shows of it."""


def check_own_plan(
    kind: Kind, request: Mapping[str, Any], plan: Mapping[str, Any], look: Look, roster: Verified[Roster] | None
) -> None:
    """Raise ``OutOfScope`` unless ``plan`` is what the kind's compiler makes of this request.

    ``roster`` None: no root is pinned, so declarations are the hub's word; nodes and owners check them again.
    """
    told = kind.read(plan)
    try:
        shown = [look(name) for name in kind.touched(told)]
        view = CatalogueView(
            datasets=tuple(Dataset.model_validate(item["dataset"]) for item in shown),
            holdings=tuple(holding for item in shown for holding in _holdings(item, roster)),
        )
    except ValidationError as error:
        raise BadDocument(f"the hub shows no valid dataset: {faults(error)}") from None
    except (KeyError, TypeError):
        raise BadDocument("the hub shows a dataset that lacks a part") from None
    try:
        own = kind.compile(request, view).plan
    except InvalidRequest as error:
        raise OutOfScope("plan", f"the hub's plan is not one of your request ({error}): sign nothing") from None
    if not same_digest(json_digest(kind.to_json(own)), json_digest(kind.to_json(told))):
        raise OutOfScope(
            "plan", "the hub's plan is another one than your request compiles to here: sign nothing, ask the auditor"
        )


def _holdings(shown: DatasetShown, roster: Verified[Roster] | None) -> list[Holding]:
    if roster is None:
        return [Holding.model_validate(dict(item)) for item in shown["holdings"]]
    declared = json_digest(Dataset.model_validate(shown["dataset"]).model_dump(mode="json"))
    found = []
    for item in shown["records"]:
        record = verify_dataset_record(Envelope.from_json(item), roster).document
        if record.dataset != shown["dataset"]["name"] or not same_digest(record.dataset_digest, declared):
            text = f"the hub shows other declarations than {record.owner} signed for {record.dataset}: sign nothing"
            raise OutOfScope("dataset_digest", text)
        found.append(record.holding(roster.document.owner(record.owner).name))
    return found
