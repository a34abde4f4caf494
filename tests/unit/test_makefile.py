"""``make`` installs into the virtual environment of its own checkout, and into no other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the recipe of ``.venv`` needs, without the packages."""
    made = tmp_path / "checkout"
    made.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, made)
    return made


def environment(folder: Path, of: Path | None) -> Path:
    """A virtual environment whose interpreter writes down what it was told. ``of``: the checkout installed in it."""
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/told"\n')
    python.chmod(0o755)
    if of is not None:
        packages = folder / "lib" / "python3.11" / "site-packages"
        packages.mkdir(parents=True)
        (packages / "_editable_impl_unseen.pth").write_text(f"{of}\n" * 5)  # a line for each package
    return folder


def make(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", ".venv/.ready"], cwd=checkout, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("known", [False, True])
def test_its_own_is_installed_into(checkout: Path, known: bool) -> None:
    """The control: nothing refuses a new environment, or one of this checkout."""
    own = environment(checkout / ".venv", checkout if known else None)
    done = make(checkout)
    assert done.returncode == 0, done.stderr
    assert "--editable ." in (own / "told").read_text()
    assert (own / ".ready").exists()


def test_a_link_is_refused_in_words(checkout: Path, tmp_path: Path) -> None:
    other = environment(tmp_path / "elsewhere", None)
    (checkout / ".venv").symlink_to(other)
    done = make(checkout)
    assert done.returncode != 0
    assert ".venv is a link" in done.stdout
    assert sorted(path.name for path in other.iterdir()) == ["bin"]


def test_one_of_another_checkout_is_refused_in_words(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    foreign = environment(checkout / ".venv", tmp_path / "other")
    done = make(checkout)
    assert done.returncode != 0
    assert f".venv was made for the checkout {tmp_path / 'other'}" in done.stdout
    assert not (foreign / "told").exists()
