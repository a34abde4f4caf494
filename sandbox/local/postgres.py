"""A PostgreSQL server of one's own for tests and benchmarks: a temporary folder, a socket or loopback, gone afterwards.

PostgreSQL refuses to run as root, so root hands the folder to an unprivileged user and starts the server as that.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.errors import Unavailable
from sandbox.local.layout import free_port

if TYPE_CHECKING:
    import psycopg

_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
_USERS: Final = ("postgres", "nobody")
_READY_S: Final = 30.0


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``: on the path, or where distributions put them; the newest first."""
    if (found := shutil.which("initdb")) and (real := Path(found).resolve().parent / "postgres").exists():
        return real.parent
    folders = [folder for pattern in _PLACES for folder in Path("/").glob(pattern.lstrip("/"))]
    complete = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return max(complete, key=_version, default=None)


def why_not() -> str | None:
    """Why no server can be started here, with what to do about it; None if one can."""
    if binaries() is None:
        return "no PostgreSQL server is installed: apt-get install postgresql (its initdb and postgres are enough)"
    if os.geteuid() == 0 and _unprivileged() is None:
        return f"PostgreSQL does not run as root, and there is none of the users {', '.join(_USERS)}"
    return None


@dataclass
class Server:
    """A running server. Whoever may open its socket folder is ``owner`` in it without a password; TCP asks for one."""

    folder: Path
    port: int
    password: str
    _process: subprocess.Popen[bytes]
    _command: Sequence[str]
    _user: int | None

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    def url(self, database: str) -> str:
        """For ``open_store``: by the Unix socket."""
        return f"postgresql+psycopg://owner@/{database}?host={self.socket}&port={self.port}"

    def create(self, database: str) -> str:
        """Make an empty database as a hub needs it and return its URL."""
        self.sql(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
        return self.url(database)

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as the server's owner, each by itself; returns the rows of the last one."""
        rows: list[tuple[object, ...]] = []
        with self.connect(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as the server's owner, each statement a transaction of its own."""
        import psycopg  # comes with the extra [postgres]

        return psycopg.connect(host=str(self.socket), port=self.port, user="owner", dbname=database, autocommit=True)

    def kill(self) -> None:
        """End the server as a power cut would: nothing is written that was not."""
        children = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
        for pid in [self._process.pid, *map(int, children.stdout.split())]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it went with its parent
                continue
        self._process.wait()

    def start(self) -> None:
        """Start the same server again on the same folder; it recovers what was committed."""
        self._process = _run(self._command, self.folder, self._user)
        _wait(self)

    def stop(self) -> None:
        """A fast shutdown: clients are cut off, committed work is kept."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)


@contextmanager
def server(
    settings: Sequence[str] = (), *, tcp: bool = False, certificate: tuple[Path, Path] | None = None
) -> Iterator[Server]:
    """Start a server and end it.

    ``settings``: ``name=value`` as ``postgres -c`` takes them; ``tcp`` adds 127.0.0.1, ``certificate`` (and key) TLS.
    Raises ``Unavailable`` with the reason of ``why_not``, or with what the server said.
    """
    where, reason = binaries(), why_not()
    if where is None or reason is not None:
        raise Unavailable(reason or "no PostgreSQL server")
    folder = Path(tempfile.mkdtemp(prefix="unseen-pg-"))  # short: a socket's path has at most 107 bytes
    user = _unprivileged() if os.geteuid() == 0 else None
    try:
        password = os.urandom(16).hex()
        (folder / "password").write_text(password)
        (folder / "s").mkdir()
        for source in certificate or ():
            shutil.copy(source, folder / f"server{source.suffix}")
            (folder / f"server{source.suffix}").chmod(0o600)
        if user is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, -1)
        port = free_port()
        command = [str(where / "initdb"), "-D", str(folder / "data"), "-U", "owner", "-E", "UTF8", "--locale=C"]
        command += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder / 'password'}"]
        _check(subprocess.run(command, capture_output=True, cwd=folder, user=user, check=False))
        start = [str(where / "postgres"), "-D", str(folder / "data"), "-k", str(folder / "s"), "-p", str(port)]
        start += ["-c", f"listen_addresses={'127.0.0.1' if tcp else ''}"]
        if certificate:
            files = {
                name: folder / f"server{file.suffix}" for name, file in zip(("cert", "key"), certificate, strict=True)
            }
            settings = [*settings, "ssl=on", *(f"ssl_{name}_file={file}" for name, file in files.items())]
        start += [part for setting in settings for part in ("-c", setting)]
        running = Server(folder, port, password, _run(start, folder, user), start, user)
        try:
            _wait(running)
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], folder: Path, user: int | None) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, user=user, start_new_session=True
        )


def _wait(running: Server) -> None:
    import psycopg

    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        try:
            running.sql("SELECT 1")
        except psycopg.OperationalError:
            if running._process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            return
    said = (running.folder / "log").read_text(errors="replace")[-1000:]
    raise Unavailable(f"PostgreSQL did not start:\n{said}")


def _check(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode != 0:
        raise Unavailable(f"initdb failed:\n{done.stderr.decode(errors='replace')[-1000:]}")


def _unprivileged() -> int | None:
    for name in _USERS:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return None


def _version(folder: Path) -> tuple[int, str]:
    digits = "".join(c for c in folder.parent.name if c.isdigit())
    return (int(digits or 0), str(folder))
