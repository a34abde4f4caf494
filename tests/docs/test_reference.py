"""The reference of dataset and job file is what its models say, and its examples use every field."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from jobs.schema import Role
from sandbox.catalogue.reading import DatasetFile
from sandbox.client.job_file import JobFile
from tests.reference import DATASET, JOB, PAGES, VECTORS, Page, Section, text

SECTIONS = [section for page in PAGES for section in page.sections]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_what_the_models_say(page: Page) -> None:
    """An example of every field is in it, else writing it fails."""
    assert page.file.read_text() == text(page), "write it anew: python -m tests.reference"


@pytest.mark.parametrize(
    ("name", "model"),
    [*((name, DatasetFile) for name in DATASET.examples), *((name, JobFile) for name in JOB.examples)],
)
def test_an_example_is_read(name: str, model: type[BaseModel]) -> None:
    assert model.model_validate(yaml.safe_load((VECTORS / name).read_text())).model_fields_set


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.model.__name__)
def test_every_field_says_what_it_means(section: Section) -> None:
    assert section.model.__doc__
    if issubclass(section.model, StrEnum):
        return
    fields: dict[str, Any] = section.model.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_the_words_about_roles_name_each_role() -> None:
    assert all(f"- {role.value}: " in (Role.__doc__ or "") for role in Role)
