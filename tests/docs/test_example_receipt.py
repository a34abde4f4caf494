"""The receipt in ``examples/`` holds offline, today and after its roster has expired: it is judged by its own times."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.keys import Trust
from sandbox.verify import verify_receipt

ROOT = Path(__file__).parents[2]
RECEIPT, TRUST = ROOT / "examples" / "receipt.json", ROOT / "examples" / "trust.json"


def test_the_documented_command_holds(tmp_path: Path) -> None:
    """On copies of mode 0600: the umask of whoever checked the repository out is not what is tested."""
    (tmp_path / "examples").mkdir()
    for file in (RECEIPT, TRUST):
        copy = tmp_path / "examples" / file.name
        copy.write_bytes(file.read_bytes())
        copy.chmod(0o600)
    command = ["verify", "examples/receipt.json", "--trust", "examples/trust.json", "--json"]
    program, environment = [sys.executable, "-m", "sandbox.cli", *command], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["valid"] is True


@pytest.mark.parametrize("years", [0, 3, 30])
def test_it_holds_whatever_the_date(years: int) -> None:
    when = datetime.now(UTC) + timedelta(days=366 * years)
    verified = verify_receipt(RECEIPT.read_bytes(), Trust.parse(TRUST.read_bytes()), when)
    assert len(verified.grants) == 3
    assert verified.cosigned.witnesses == ("witness",)


def test_before_its_time_it_does_not_hold() -> None:
    with pytest.raises(SandboxError, match="future"):
        verify_receipt(RECEIPT.read_bytes(), Trust.parse(TRUST.read_bytes()), datetime(2020, 1, 1, tzinfo=UTC))


def documents() -> list[tuple[str, ...]]:
    """Where the receipt holds signed documents."""
    receipt = json.loads(RECEIPT.read_bytes())
    found: list[tuple[str, ...]] = []
    for name, value in receipt.items():
        if isinstance(value, dict) and "payload" in value:
            found.append((name,))
        if isinstance(value, list):
            found += [(name, str(place)) for place, item in enumerate(value) if isinstance(item, dict)]
    return found


@pytest.mark.parametrize("where", documents(), ids="/".join)
@pytest.mark.parametrize("what", ["payload", "signature"])
def test_no_document_in_it_can_be_changed(where: tuple[str, ...], what: str) -> None:
    receipt = json.loads(RECEIPT.read_bytes())
    envelope: Any = receipt[where[0]]
    if len(where) > 1:
        envelope = envelope[int(where[1])]
    holder, name = (envelope, "payload") if what == "payload" else (envelope["signatures"][0], "sig")
    raw = bytearray(base64.b64decode(holder[name]))
    raw[len(raw) // 2] ^= 1
    holder[name] = base64.b64encode(bytes(raw)).decode()
    with pytest.raises(SandboxError):
        verify_receipt(json.dumps(receipt).encode(), Trust.parse(TRUST.read_bytes()))


def test_another_root_does_not_believe_it() -> None:
    trust = Trust.parse(TRUST.read_bytes())
    other = trust.model_copy(update={"origin": "other.example/log"})
    with pytest.raises(SandboxError):
        verify_receipt(RECEIPT.read_bytes(), other)
