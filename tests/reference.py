"""``python -m tests.reference``: write ``docs/dataset.md`` and ``docs/job-file.md`` from the models that read these files.

Names, types, defaults and words are those of the models; examples are files in ``tests/vectors/reference``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, TypeAdapter

from jobs.schema import Bounds, Column, ColumnType, DateText, DecimalText, Grade, Name, ProfileId, Role
from sandbox.catalogue.reading import ColumnReading, DatasetFile, Reading
from sandbox.client.job_file import JobFile

ROOT: Final = Path(__file__).parents[1]
VECTORS: Final = ROOT / "tests" / "vectors" / "reference"
_WORDS: Final = {
    TypeAdapter(type_).json_schema().get("pattern"): word
    for type_, word in (
        (Name, "name"),
        (DecimalText, "number as text"),
        (DateText, "date as text"),
        (ProfileId, "name@version"),
    )
}
_PLACES: Final = re.compile(r"(?<![\w@])(Plan|Gate|Audit|Gate and audit): ")
_EXAMPLE_WIDTH: Final = 90


@dataclass(frozen=True)
class Section:
    """One model, or one enumeration, and where examples of it stand in a file: keys, ``*`` for all, of lists the items."""

    title: str
    model: type[BaseModel] | type[StrEnum]
    place: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    name: str
    head: str
    examples: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def file(self) -> Path:
        return ROOT / "docs" / self.name


DATASET: Final = Page(
    "dataset.md",
    """\
# The dataset file
What owners declare about a table before anyone may ask about it. All holders of one dataset register the same text; `unseen data describe` drafts it,
`unseen data check` says what is wrong with it, and with the data, before anything is registered. Written by `python -m tests.reference` from the models
that read the file; not edited.

**In an editor.** `unseen data schema` prints the JSON Schema of the file. Saved next to it, it gives completion, words and faults while you type in every
editor with a YAML language server, if the file begins with the line that the first example has:
```
unseen data schema > dataset.schema.json
```

**Checked at home.** Nothing is written or sent by these, and neither hub, node nor keys are needed:
```
unseen data check visits.yaml visits.csv                    # the checks of registration, all faults at once
unseen data check visits.yaml --against from-the-north.yaml # what two owners declare differently, and a common text
```
The first prints for each fault column, rule and number of rows, and up to three of these rows with their values. They are for the owner's terminal:
registration, hub and logs never get them. Exit code 0: it would be registered, 1: it would not. The second proposes what holds at both: wider bounds, the union
of domains, and of everything else the more careful choice where there is one; what people have to agree on it names.
""",
    ("visits.yaml", "residents.yaml"),
    (
        Section("The dataset", DatasetFile),
        Section("A column", Column, ("columns",)),
        Section("Bounds", Bounds, ("columns", "bounds")),
        Section("Source", Reading, ("source",)),
        Section("A column in the files", ColumnReading, ("source", "columns", "*")),
        Section("Types", ColumnType),
        Section("Roles", Role),
        Section("Grades", Grade),
    ),
)
JOB: Final = Page(
    "job-file.md",
    """\
# The job file
What an operator asks, and why: read by `unseen job explain`, `unseen job dry-run` and `unseen job submit`. What a statement may contain: [the SQL](sql.md).
Written by `python -m tests.reference` from the model that reads the file; not edited.

`unseen job schema` prints its JSON Schema, for editors as [of the dataset file](dataset.md):
```
unseen job schema > job.schema.json
```
""",
    ("cost-by-ward.yaml", "other-kind.yaml"),
    (Section("The job", JobFile),),
)
PAGES: Final = (DATASET, JOB)


def text(page: Page) -> str:
    """The page as it is to stand in ``docs``."""
    shown = [f"```yaml\n{(VECTORS / name).read_text()}```" for name in page.examples]
    parts = [page.head, "## Examples", *shown]
    for section in page.sections:
        parts += [f"\n## {section.title}", *_section(page, section)]
    return "\n".join(parts) + "\n"


def _section(page: Page, section: Section) -> Iterator[str]:
    words = inspect.getdoc(section.model) or ""
    yield words.replace("``", "`")
    if not issubclass(section.model, BaseModel):
        if any(f"- {item.value}: " not in words for item in section.model):
            yield "\nOne of " + ", ".join(f"`{item.value}`" for item in section.model) + "."
        return
    schema = section.model.model_json_schema()
    yield "\n| field | type | without it | meaning, and what it changes | example |\n|---|---|---|---|---|"
    given = [document for name in page.examples for document in _at(_example(name), section.place)]
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        default = "**required**" if required else _default(field.get("default"))
        cells = (f"`{name}`", kind_of(field, schema), default, _meaning(field), f"`{_shown(name, given)}`")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def kind_of(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The type of a value in words; raises ``KeyError`` for a pattern without a word, and for what it does not know."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{_ANCHORS[name]})"
    if "anyOf" in field:
        return " or ".join(
            dict.fromkeys(kind_of(part, schema) for part in field["anyOf"] if part.get("type") != "null")
        )
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    match field["type"]:
        case "array":
            return f"list of {kind_of(field['items'], schema)}"
        case "object" if isinstance(field.get("additionalProperties"), Mapping):
            return f"mapping of names to {kind_of(field['additionalProperties'], schema)}"
        case "string" if "pattern" in field:
            return _WORDS[field["pattern"]]
        case "string" if field.get("maxLength") == 1:
            return "one character"
        case "string":
            return f"text of at most {field['maxLength']:,}" if "maxLength" in field else "text"
        case "integer":
            least, most = field.get("minimum"), field.get("maximum")
            return "whole number" if least is None else f"whole number, {least:,} to {most:,}"
        case other:
            return {"boolean": "true or false", "object": "mapping"}[other]


_ANCHORS: Final = {
    section.model.__name__: section.title.lower().replace(" ", "-") for page in PAGES for section in page.sections
}


def _default(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "none"
    return f"`{_yaml(value)}`"


def _meaning(field: Mapping[str, Any]) -> str:
    """The field's own words; where a part of the machine is named at the start of a sentence, it stands out."""
    flat = re.sub(r"\s+", " ", field["description"])
    return _PLACES.sub(r"*\1:* ", flat)


def _example(name: str) -> Any:
    return yaml.safe_load((VECTORS / name).read_text())


def _at(document: Any, place: Sequence[str]) -> list[dict[str, Any]]:
    """Every mapping at this place of a file."""
    found = [document]
    for key in place:
        below = [value for item in found for name, value in item.items() if key in (name, "*")]
        found = [part for item in below for part in (item if isinstance(item, list) else [item])]
    return found


def _shown(name: str, given: Sequence[Mapping[str, Any]]) -> str:
    """The first example that names the field; raises ``StopIteration`` if none does."""
    value = next(document[name] for document in given if name in document)
    shown = f"{name}: {_yaml(' '.join(value.split()) if isinstance(value, str) else value)}"
    return shown if len(shown) <= _EXAMPLE_WIDTH else shown[:_EXAMPLE_WIDTH] + "…"


def _yaml(value: Any) -> str:
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000).strip()[
        1:-1
    ]


if __name__ == "__main__":
    for page in PAGES:
        page.file.write_text(text(page))
