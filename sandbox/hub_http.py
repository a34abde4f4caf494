"""HTTP to the hub, for everybody who calls it: nodes, witnesses, the SDK and, through it, the CLI.

Bounded in size and time, no redirects, nothing taken from the environment but a private CA, two typed failures. What an
answer says is not believed here: callers verify it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx

from jobs.documents import parse_json
from jobs.errors import BadDocument
from sandbox.address import check_hub_address
from sandbox.errors import InvalidSpec

MAX_BYTES: Final = 64 << 20
MAX_LINE: Final = 1 << 20
CA_FILE: Final = "UNSEEN_CA_FILE"
"""Environment variable: a PEM file with the authority that the hub's certificate is of, instead of the system's."""
_TIMEOUT_S: Final = 10.0
_WHOLE_S: Final = 300.0
_LATER: Final = (408, 425, 429)
_OUT_OF_TIME: Final = (9, 10)
_OTHER_NAME: Final = (62, 64)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and HAS_EXPIRED; HOSTNAME_ and IP_ADDRESS_MISMATCH."""


class HubFailure(Exception):
    """A call that led nowhere: ``code`` is stable, the text says what happened, ``advice`` what to change."""

    def __init__(self, code: str, detail: str, advice: str = "", status: int = 0) -> None:
        super().__init__(f"{detail} {advice}".strip())
        self.code, self.detail, self.advice, self.status = code, detail, advice, status


class HubRefused(HubFailure):
    """A typed refusal (RFC 9457): sending the same again is pointless."""


class HubAway(HubFailure):
    """The hub could not be reached, asks to try again later (``status`` is set then), or answers what is no answer."""

    def __init__(
        self, detail: str, code: str = "unreachable", advice: str = "", status: int = 0, retry_after: float = 0.0
    ) -> None:
        super().__init__(code, detail, advice or "Is it running, and is its address right?", status)
        self.retry_after = retry_after
        """Seconds that the hub asks to wait; 0 if it does not say."""


class HubHttp:
    """One hub, one bearer token. Thread-safe. Every method raises ``HubAway`` or ``HubRefused``, and nothing else."""

    def __init__(self, url: str, token: str = "", timeout: float = _TIMEOUT_S, whole: float = _WHOLE_S) -> None:
        """``timeout``: seconds until the hub must say something; ``whole``: until an answer must be complete.

        Raises ``InvalidSpec`` for an address at which the token would travel in the clear.
        """
        check_hub_address(url)
        self._timeout, self._whole = timeout, whole
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/v1",
            headers={"Accept-Encoding": "identity", **({"Authorization": f"Bearer {token}"} if token else {})},
            timeout=timeout,
            verify=_authorities(),
            follow_redirects=False,  # a token goes to the address that was configured, and nowhere else
            trust_env=False,  # neither through a proxy of the environment
        )

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
        parse: Callable[[bytes], Any] = parse_json,
    ) -> Any:
        """The answer's JSON value, ``None`` for an empty one. ``wait``: seconds that the hub may hold the call back."""
        content = self.content(method, path, params=params, body=body, headers=headers, wait=wait)
        return _parsed(content, parse)

    def content(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> bytes:
        """The answer's exact bytes, at most ``MAX_BYTES``. ``body`` goes out as JSON, ``data`` as it is."""
        sent = {"json": body} if data is None else {"content": data}
        with self._answer(method, path, wait, params=params, headers=headers, **sent) as response:
            return _bounded(response, time.monotonic() + wait + self._whole)

    def lines(self, path: str, seconds: float | None) -> Iterator[str]:
        """The lines of an endless answer until it ends or nothing came for ``seconds`` (``None``: any time)."""
        patience = httpx.Timeout(self._timeout, read=seconds)
        with self._answer("GET", path, 0.0, timeout=patience) as response:
            try:
                yield from _lines(response)
            except httpx.ReadTimeout:
                return

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def _answer(self, method: str, path: str, wait: float, **options: Any) -> Iterator[httpx.Response]:
        """A successful answer whose body is still to be read; all failures are typed."""
        options.setdefault("timeout", httpx.Timeout(self._timeout, read=wait + self._timeout))
        try:
            with self._http.stream(method, path, **options) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise HubAway("the hub's answer is packed, which was not asked for")
                if not response.is_success:
                    raise _failure(response, _bounded(response, time.monotonic() + self._timeout))
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _away(error) from None


def _authorities() -> ssl.SSLContext | bool:
    """Whose certificates are believed: the system's authorities, or the one that ``UNSEEN_CA_FILE`` names.

    Raises ``InvalidSpec`` naming the setting.
    """
    ca = os.environ.get(CA_FILE)
    if not ca:
        return True
    try:
        return ssl.create_default_context(cafile=ca)
    except FileNotFoundError:
        raise InvalidSpec(f"{CA_FILE} names a file that is not there: {ca}") from None
    except OSError:  # ssl.SSLError is one
        raise InvalidSpec(f"{CA_FILE} names a file that is no readable PEM certificate: {ca}") from None


def _away(error: Exception) -> HubAway:
    """Why no answer came; of a certificate, which setting or file to change."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return HubAway(f"the hub does not answer ({type(error).__name__})")
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return HubAway("the hub's port speaks no TLS that this client knows", "no-tls", "Is the address right?")
    if cause.verify_code in _OTHER_NAME:
        text, advice = "the hub's certificate is for another name", "Use the address that the certificate names."
    elif cause.verify_code in _OUT_OF_TIME:
        text, advice = "the hub's certificate is expired or not valid yet", "Renew it, or set this machine's clock."
    else:
        ca = os.environ.get(CA_FILE)
        known = f"not of the authority in {CA_FILE} ({ca})" if ca else "of an authority that this machine does not know"
        text, advice = f"the hub's certificate is {known}", f"Name the PEM file of the hub's authority in {CA_FILE}."
    return HubAway(text, "untrusted-hub", advice)


def field(answer: Any, name: str, kind: type) -> Any:
    """``answer[name]`` if it is of that very type; raises ``HubAway``."""
    if not isinstance(answer, dict) or type(answer.get(name)) is not kind:
        raise HubAway(f"the hub's answer has no {name} as the protocol says")
    return answer[name]


def _failure(response: httpx.Response, content: bytes) -> HubFailure:
    try:
        value = parse_json(content)
    except BadDocument:
        value = None
    known: dict[str, Any] = value if isinstance(value, dict) else {}
    status = response.status_code
    code, advice = str(known.get("code", status)), str(known.get("advice", ""))
    detail = str(known.get("detail") or known.get("title") or f"the hub answered with status {status}")
    if status >= 500 or status in _LATER:
        seconds = response.headers.get("retry-after", "")
        later = float(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 8 else 0.0
        return HubAway(detail, code, advice or "Try again later.", status, later)
    return HubRefused(code, detail, advice, status)


def _bounded(response: httpx.Response, end: float) -> bytes:
    """The body, read no further than the limits: as it came, for a few packed bytes unpack to any amount at once."""
    parts, size = [], 0
    for part in response.iter_raw():
        size += len(part)
        if size > MAX_BYTES:
            raise HubAway("the hub's answer is larger than any that the protocol has")
        if time.monotonic() > end:
            raise HubAway("the hub's answer takes longer than any that the protocol has")
        parts.append(part)
    return b"".join(parts)


def _lines(response: httpx.Response) -> Iterator[str]:
    rest = b""
    for part in response.iter_raw():
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > MAX_LINE:
            raise HubAway("the hub's answer has a line larger than any that the protocol has")
        for line in whole:
            yield line.rstrip(b"\r").decode(errors="replace")


def _parsed(content: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(content) if content else None
    except (BadDocument, ValueError, RecursionError):
        raise HubAway("the hub's answer is not JSON") from None
