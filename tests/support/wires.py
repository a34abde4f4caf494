"""Machines as network namespaces on one switch, where the kernel lets us: each has its own loopback and address."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

_NET: Final = "10.77.0."
"""In namespaces of their own: it meets no network of this machine."""


def permitted() -> bool:
    """Whether this process may make namespaces and switches."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    name = f"unseen-try-{os.getpid()}"
    made = _try("netns", "add", name) and _try("-n", name, "link", "add", "switch", "type", "bridge")
    _try("netns", "del", name)
    return made


@contextmanager
def wired(machines: Sequence[str]) -> Iterator[tuple[Mapping[str, Sequence[str]], Mapping[str, str]]]:
    """For each machine what to put before its commands, and its address. Takes away everything that it made."""
    names = {machine: f"unseen-{os.getpid()}-{machine}" for machine in machines}
    switch = f"unseen-{os.getpid()}-switch"
    addresses = {machine: f"{_NET}{number}" for number, machine in enumerate(machines, start=1)}
    try:
        for name in (switch, *names.values()):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        for number, (machine, name) in enumerate(names.items()):
            port = f"port{number}"
            _ip("-n", name, "link", "add", "wire", "type", "veth", "peer", "name", port, "netns", switch)
            _ip("-n", switch, "link", "set", port, "master", "switch", "up")
            _ip("-n", name, "addr", "add", f"{addresses[machine]}/24", "dev", "wire")
            _ip("-n", name, "link", "set", "wire", "up")
        yield {machine: ("ip", "netns", "exec", name) for machine, name in names.items()}, addresses
    finally:
        for name in (switch, *names.values()):
            _try("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _try(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], check=False, capture_output=True).returncode == 0
