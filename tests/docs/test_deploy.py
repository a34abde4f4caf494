"""The files in ``deploy/``: units that systemd reads, whose commands exist, and an image that is built where one can."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from sandbox.cli.main import app

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD", "ENV", "ARG"}
PROGRAM = "/opt/unseen/bin/unseen"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_a_command_with_these_options(unit: Path) -> None:
    (line,) = re.findall(rf"^ExecStart={PROGRAM} (.*)$", unit.read_text(), re.MULTILINE)
    command, words = typer.main.get_command(app), shlex.split(line)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_service_runs_as_a_user_of_its_own_and_writes_its_own_folder_only(unit: Path) -> None:
    text = unit.read_text()
    assert re.search(r"^User=unseen-[a-z]+$", text, re.MULTILINE)
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes"):
        assert f"\n{line}\n" in text


def test_systemd_reads_every_unit(tmp_path: Path) -> None:
    """A copy whose program exists: systemd looks for it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("NOT CHECKED: there is no systemd-analyze here to read deploy/systemd with")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    call = [program, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if any(unit.name in line for unit in UNITS)]
    assert said == []
    (tmp_path / UNITS[0].name).write_text("[Service]\nExecStart=/bin/true\nRestart=sometimes\n")  # the control
    assert "restart" in subprocess.run(call, capture_output=True, text=True, check=False).stderr


def test_the_page_names_every_file() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    assert "deploy/Containerfile" in page
    named = "\n".join([page, *(unit.read_text() for unit in UNITS)])
    assert [unit.name for unit in UNITS if unit.name not in named and unit.stem not in named] == []


def test_the_container_file_is_made_of_instructions_and_copies_what_is_there() -> None:
    lines = [line for line in CONTAINERFILE.read_text().replace("\\\n", " ").splitlines() if line and line[0] != "#"]
    words = [line.split() for line in lines]
    assert {name for name, *_ in words} <= INSTRUCTIONS
    assert words[0][0] == "FROM"
    assert ["USER", "unseen"] in words
    for name, *rest in words:
        if name == "COPY":
            assert [source for source in rest[:-1] if not (ROOT / source).exists()] == []
    packages = re.findall(r'^packages = \["sandbox".*$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    copied = {rest[0] for name, *rest in words if name == "COPY" and len(rest) == 2}
    assert copied == set(re.findall(r'"([a-z]+)"', packages[0]))


def builder() -> str | None:
    """A program that can build here: ``docker`` without its daemon cannot."""
    for name in ("podman", "buildah", "docker"):
        program = shutil.which(name)
        if program and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0:
            return program
    return None


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_image_is_built_and_runs() -> None:
    program = builder()
    if program is None:
        pytest.skip("NOT BUILT: neither podman, buildah nor a docker that answers is here; only the syntax was checked")
    build = [program, "build", "-f", str(CONTAINERFILE), "-t", "unseen-test", str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
