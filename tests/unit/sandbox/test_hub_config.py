"""Configuration is read strictly, and nothing beyond loopback is served without TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import InvalidSpec
from sandbox.hub.core.config import HubConfig, check_listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_is_served_without_tls(host: str) -> None:
    check_listen(host, tls=False)


ANYWHERE = ["0.0.0.0", "::", "10.0.0.1", "hub.example", "127.0.0.1.example", "", "localhost.example"]  # noqa: S104


@pytest.mark.parametrize("host", ANYWHERE)
def test_any_other_address_needs_tls(host: str) -> None:
    with pytest.raises(InvalidSpec, match="TLS"):
        check_listen(host, tls=False)
    check_listen(host, tls=True)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("state: state\ntrust: ../trust.json\nport: 9000\ntls: {certificate: c.pem, key: k.pem}\n")
    config = HubConfig.load(file)
    assert config.state == tmp_path / "state"
    assert config.trust == tmp_path / "../trust.json"
    assert config.tls is not None
    assert config.tls.key == tmp_path / "k.pem"
    assert config.port == 9000


BAD_FILES = ["state: [", "state: s", "state: s\ntrust: t\nextra: 1", "- 1", "state: s\ntrust: t\nport: x"]


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text(text)
    with pytest.raises(InvalidSpec, match=r"hub\.yaml"):
        HubConfig.load(file)
