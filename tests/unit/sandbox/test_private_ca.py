"""A hub with a certificate of a private authority: who does not believe it is told which setting to change."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.errors import InvalidSpec
from sandbox.hub_http import CA_FILE, HubAway, HubHttp


class Authority:
    """A private CA in one folder; ``issue`` writes a server's certificate and key."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "ca.pem"
        now = datetime.now(UTC)
        made = self._certificate("private authority", self._key, now - timedelta(days=1), now + timedelta(days=9), None)
        self.file.write_bytes(made)

    def issue(self, name: str, days: int = 9) -> tuple[Path, Path]:
        key, end = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) + timedelta(days=days)
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert_file.write_bytes(self._certificate(name, key, end - timedelta(days=20), end, name))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_file.write_bytes(key.private_bytes(*form))
        return cert_file, key_file

    def _certificate(
        self, name: str, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime, host: str | None
    ) -> bytes:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "private authority")])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
        made = made.add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        if host is not None:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def served(certificate: Path | None, key: Path | None = None) -> Iterator[str]:
    """A server that answers one JSON value over TLS, or without it; yields its address as https."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, context), daemon=True).start()
        yield f"https://localhost:{server.getsockname()[1]}"


def _answer(server: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) if context else connection as stream:
                stream.recv(65536)
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        except OSError:
            continue


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def refused(url: str) -> HubAway:
    with pytest.raises(HubAway) as away:
        HubHttp(url).json("GET", "/health")
    return away.value


def test_who_names_the_authority_is_answered(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.file))
    with served(*authority.issue("localhost")) as url:
        assert HubHttp(url).json("GET", "/health") == {}


def test_who_does_not_is_told_the_setting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CA_FILE, raising=False)
    with served(*authority.issue("localhost")) as url:
        away = refused(url)
    assert away.code == "untrusted-hub"
    assert "an authority that this machine does not know" in away.detail
    assert away.advice == "Name the PEM file of the hub's authority in UNSEEN_CA_FILE."


def test_another_authority_s_file_is_named(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority(tmp_path)
    monkeypatch.setenv(CA_FILE, str(other.file))
    with served(*authority.issue("localhost")) as url:
        assert f"not of the authority in UNSEEN_CA_FILE ({other.file})" in refused(url).detail


@pytest.mark.parametrize(
    ("name", "days", "why"), [("hub.example", 9, "for another name"), ("localhost", -1, "expired or not valid yet")]
)
def test_a_wrong_name_and_an_old_certificate_are_told_apart(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str, days: int, why: str
) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.file))
    with served(*authority.issue(name, days)) as url:
        assert why in refused(url).detail


def test_a_port_without_tls_is_told(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.file))
    with served(None) as url:
        assert refused(url).code == "no-tls"


def test_a_file_that_is_missing_or_no_certificate_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_FILE, str(tmp_path / "missing.pem"))
    with pytest.raises(InvalidSpec, match=r"UNSEEN_CA_FILE names a file that is not there: .*missing\.pem"):
        HubHttp("https://hub.example")
    (tmp_path / "none.pem").write_text("no certificate")
    monkeypatch.setenv(CA_FILE, str(tmp_path / "none.pem"))
    with pytest.raises(InvalidSpec, match="no readable PEM certificate"):
        HubHttp("https://hub.example")
