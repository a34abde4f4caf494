"""The files that people write: a field that is none is told by the nearest that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cli.dataset_file import read_dataset_file
from sandbox.cli.job import read_job
from sandbox.errors import InvalidSpec

UNIT = {"name": "who", "type": "int", "role": "unit", "unit_domain": "person"}
DATASET = {"name": "visits", "columns": [UNIT], "unit": "who", "legal_basis": "an agreement"}
JOB = {"sql": "SELECT COUNT(*) AS n FROM visits", "scenario": "s", "purpose": "p", "datasets": ["visits"]}


def written(folder: Path, value: dict[str, Any]) -> Path:
    file = folder / "given.yaml"
    file.write_text(yaml.safe_dump(value))
    return file


def test_the_files_themselves_are_read(tmp_path: Path) -> None:
    assert read_dataset_file(written(tmp_path, DATASET))[0].unit == "who"
    assert read_job(written(tmp_path, JOB))["datasets"] == ["visits"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({**DATASET, "keys": [["who"]]}, "keys: is no field, did you mean unique_keys?"),
        ({**DATASET, "Profil": "open@1"}, "Profil: is no field, did you mean profile?"),
        ({**DATASET, "columns": [{**UNIT, "cutpoints": ["1"]}]}, "cutpoints: is no field, did you mean cut_points?"),
        ({**DATASET, "xyz": 1}, "xyz: is no field"),
    ],
)
def test_a_field_that_a_dataset_file_has_not(tmp_path: Path, value: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_dataset_file(written(tmp_path, value))
    assert said in str(caught.value).split("; ")[0]


def test_a_field_that_a_job_file_has_not(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="parameter: is no field, did you mean parameters"):
        read_job(written(tmp_path, {**JOB, "parameter": {}}))
