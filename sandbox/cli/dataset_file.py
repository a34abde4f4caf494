"""What the owner's commands read: the dataset file, and where the data are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
import yaml
from pydantic import ValidationError

from jobs.near import nearest
from sandbox.errors import InvalidSpec

if TYPE_CHECKING:
    from adapters.postgresql import PostgresTable
    from adapters.source import SourceSpec
    from jobs.schema import Dataset
    from sandbox.catalogue.reading import Reading

Kind = Literal["parquet", "csv", "arrow", "duckdb"]
_SUFFIX: dict[str, Kind] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".gz": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".duckdb": "duckdb",
}


def _existing(path: Path | None) -> Path | None:
    """A pattern is looked at when it is opened."""
    if path is not None and not path.exists() and not set("*?[") & set(str(path)):
        raise typer.BadParameter(f"there is no file or folder {path}")
    return path


_WHERE: Final = typer.Argument(
    callback=_existing,
    help="A file, a folder, a quoted pattern (sales/2024-*.parquet), or a YAML file naming a PostgreSQL table.",
)
FileOrFolder = Annotated[Path, _WHERE]
OptionalData = Annotated[Path | None, _WHERE]
KindOption = Annotated[str | None, typer.Option("--kind", help="parquet, csv, arrow or duckdb; guessed from the name.")]
TableOption = Annotated[str | None, typer.Option("--table", help="Table of a DuckDB file.")]
HiveOption = Annotated[bool, typer.Option("--hive", help="The folder is partitioned as key=value.")]


def check_edited(dataset: Dataset, file: Path) -> None:
    """Raise ``InvalidSpec`` for a draft that nobody has corrected: its owner would sign what a program guessed."""
    from sandbox.catalogue.describe import UNSTATED

    if dataset.legal_basis == UNSTATED:
        raise InvalidSpec(f"{file.name} is still the draft: write the law or agreement it rests on into legal_basis")


class BadDatasetFile(InvalidSpec):
    """``places``: where the file is not what it should be, and how."""

    code = "bad-dataset-file"
    advice = "docs/dataset.md describes every field; 'unseen data schema' lets an editor check it while you type."

    def __init__(self, file: Path, places: tuple[str, ...]) -> None:
        super().__init__(f"{file.name}: {'; '.join(places)}")
        self.places = places


def read_dataset_file(file: Path) -> tuple[Dataset, Reading]:
    """Read a dataset file: what all holders sign, and its ``source:``, how this owner's files are read.

    Raises ``BadDatasetFile`` with the place of each fault.
    """
    from sandbox.catalogue.reading import DatasetFile

    value = read_yaml(file)
    if isinstance(value, dict) and {"dataset", "holdings"} <= set(value):  # what 'data show --json' prints
        value = value["dataset"]
    try:
        found = DatasetFile.model_validate(value)
    except ValidationError as error:
        raise BadDatasetFile(file, tuple(dict.fromkeys(_places(error, value)))) from None
    return found.signed, found.source


def dataset_yaml(dataset: Dataset, reading: Reading, width: int) -> str:
    """The text of a dataset file; what is the default is left out."""
    value = dataset.model_dump(mode="json", exclude_defaults=True)
    if how := reading.model_dump(mode="json", exclude_defaults=True):
        value["source"] = how
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=min(width, 100))


def read_yaml(file: Path) -> Any:
    """Raises ``BadDatasetFile``."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadDatasetFile(file, (f"it is not YAML{line}: {error.problem or 'unreadable'}",)) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadDatasetFile(file, ("it is not YAML in UTF-8",)) from None


def _places(error: ValidationError, value: Any) -> Iterator[str]:
    """Each fault by column and field; what is said of a union's members is said once."""
    for item in error.errors(include_input=False):
        path = [str(part) for part in item["loc"] if not str(part).startswith(("constrained", "function"))]
        if path[:1] == ["columns"] and len(path) > 1:
            path[:2] = [_named(value["columns"], int(path[1]))]
        match item["type"]:
            case "string_type":
                said = "is a text: write it in quotes"
            case "extra_forbidden":
                said = f"is no field{_near(item['loc'])}"
            case _:
                said = item["msg"]
        yield ": ".join([*path, said.removeprefix("Value error, ")])


def _near(place: tuple[int | str, ...]) -> str:
    """The known field that an unknown one at the top, or of a column, probably is."""
    from jobs.schema import Column
    from sandbox.catalogue.reading import DatasetFile

    known = DatasetFile.model_fields if len(place) == 1 else {}
    if place[0] == "columns" and len(place) == 3:
        known = Column.model_fields
    return nearest(str(place[-1]), known)


def _named(columns: Any, number: int) -> str:
    found = columns[number]
    name = found.get("name") if isinstance(found, dict) else None
    return f"column {name}" if isinstance(name, str) else f"column number {number + 1}"


def database_of(file: Path, kind: str | None) -> PostgresTable | None:
    """The database table that a YAML file describes, None for any other file; raises ``BadSource``."""
    if kind != "postgresql" and (kind is not None or file.suffix not in (".yaml", ".yml")):
        return None
    from adapters.postgresql import load_table

    return load_table(file)


def source_of(file: Path, kind: str | None, table: str | None, hive: bool) -> SourceSpec:
    """Describe where the data is; the kind is guessed from the name if it is not given."""
    from adapters.files import base_folder
    from adapters.source import SourceSpec

    guess = (
        kind
        or _SUFFIX.get(file.suffix)
        or next((_SUFFIX[f.suffix] for f in base_folder(file).rglob("*") if f.suffix in _SUFFIX), None)
    )
    if guess is None:
        raise InvalidSpec("name the kind of data: --kind parquet, csv, arrow or duckdb; a database is a YAML file")
    return SourceSpec.model_validate(
        {"kind": guess, "path": str(file.resolve()), "table": table, "partitioning": "hive" if hive else None}
    )
