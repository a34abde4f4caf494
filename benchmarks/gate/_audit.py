"""A node's audit with a database of its own, and the state that many releases leave, made without asking them all."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from jobs.disclosure.gate import Bits, Inquiry, Question, Records
from sandbox.node.gate.audit import Audit
from sandbox.node.gate.domain import Domain
from sandbox.node.gate.partitions import Atoms, Partitions
from sandbox.node.gate.pieces import Pieces
from sandbox.node.gate.places import Places
from sandbox.node.gate.system import LAMBDA, Block, Rows, System
from sandbox.node.migrate import migrate
from sandbox.store.engine import open_engine, sqlite_url, writing

SUBJECT: Final = ("people", "income")
DOMAIN: Final = "person"
CAP: Final = 0.25
_SMALL: Final = 256
_SAMPLE: Final = 50
_NEARLY: Final = 0.1
Labels = npt.NDArray[np.int32]


def hashes(units: int) -> npt.NDArray[np.uint64]:
    """Distinct pairs: an odd multiplication is a bijection of 64-bit words."""
    high = (np.arange(units, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.ascontiguousarray(np.stack([high, high ^ np.uint64(0x5555)], axis=1))


def random_labels(rng: np.random.Generator, units: int, cells: int) -> Labels:
    """The worst case: everybody is in a cell, and no two releases have anything to do with each other."""
    return rng.integers(0, cells, units, dtype=np.int32)


class Desk:
    """One audit; ``ask`` is what a job costs its node here: judge, store in a transaction, adopt."""

    def __init__(self, folder: Path, units: int, domain: Domain | None = None) -> None:
        self._engine = open_engine(sqlite_url(folder / f"{secrets.token_hex(8)}.sqlite"))
        migrate(self._engine)
        self.audit = Audit(Pieces(bytes(32)))
        self._hashes, self._rows = hashes(units), np.ones(units, np.int32)
        with writing(self._engine) as connection:
            self.audit.ready(connection, [DOMAIN])
        if domain is not None:
            self.audit._domains[DOMAIN] = domain

    @property
    def domain(self) -> Domain:
        return self.audit._domains[DOMAIN]

    def ask(self, labels: Labels, cells: int) -> Bits:
        """A release of so many cells, all about one secret column."""
        about = Inquiry(SUBJECT, 0, np.arange(cells, dtype=np.int32), [secrets.token_bytes(16) for _ in range(cells)])
        question = Question(DOMAIN, Records(self._hashes, self._rows, self._hashes[:, 1], (labels,)), (about,))
        with self.audit as audit:
            with writing(self._engine) as connection:
                audit.ready(connection, [DOMAIN])
            judgement = audit.judge("benchmark", [question], CAP)
            with writing(self._engine) as connection:
                audit.store(connection, judgement)
            audit.adopt(judgement)
        return judgement.verdict[0][0]


def states(rng: np.random.Generator, units: int, cells: int, wanted: tuple[int, ...]) -> dict[int, Domain]:
    """The domain after each number of releases, nearly as if they had been asked one by one, in minutes less.

    Who is in which base is drawn. How many records two bases of different releases share is taken to be what is
    expected of releases that have nothing to do with each other, ``size * size / units``, and the inverse factor is
    computed of that; the leverages that stand are set to the sum over a unit's bases of ``1 / (size + lambda)``.
    """
    places, atoms, partitions = Places(), Atoms(), Partitions()
    places = places.grown(places.growth(hashes(units), np.ones(units, np.int32), hashes(units)[:, 1])[0])
    atoms, partitions = atoms.grown(units), partitions.grown(units)
    kept: dict[int, tuple[Partitions, Atoms]] = {}
    sizes = []
    for number in range(max(wanted)):
        labels = random_labels(rng, units, cells)
        partitions, atoms = partitions.with_partition(labels, cells), atoms.refined(labels, cells)
        sizes.append(np.bincount(labels, minlength=cells).astype(np.float64))
        if number + 1 in wanted:
            kept[number + 1] = partitions, atoms
    factor = _inverse_factor(_expected_gram(sizes, units))
    blocks = tuple(
        Block(factor[n * cells : (n + 1) * cells, : (n + 1) * cells].copy(), f"job-{n}") for n in range(len(sizes))
    )
    return {count: _domain(places, *kept[count], blocks[:count], cells, units) for count in wanted}


def _expected_gram(sizes: list[npt.NDArray[np.float64]], units: int) -> npt.NDArray[np.float64]:
    """AA' of independent releases: two bases of one release share nobody."""
    every, cells = np.concatenate(sizes), len(sizes[0])
    gram = np.outer(every, every / units)
    for number, own in enumerate(sizes):
        place = slice(number * cells, (number + 1) * cells)
        gram[place, place] = np.diag(own)
    return gram


def _inverse_factor(gram: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of AA': the inverse Cholesky factor of ``AA' + lambda I``."""
    gram[np.diag_indices_from(gram)] += LAMBDA
    lower = np.asarray(np.linalg.cholesky(gram), dtype=np.float64)
    _invert(lower)
    return lower


def _invert(lower: npt.NDArray[np.float64]) -> None:
    """A lower triangular matrix by its inverse, in place, by halves: nearly all work is products of matrices."""
    if len(lower) <= _SMALL:
        lower[:] = np.tril(np.linalg.inv(lower))
        return
    half = len(lower) // 2
    _invert(lower[:half, :half])
    _invert(lower[half:, half:])
    lower[half:, :half] = -lower[half:, half:] @ (lower[half:, :half] @ lower[:half, :half])


def _domain(
    places: Places, partitions: Partitions, atoms: Atoms, blocks: tuple[Block, ...], cells: int, units: int
) -> Domain:
    count = len(blocks)
    rows = Rows(
        np.repeat(np.arange(count, dtype=np.int32), cells),
        np.tile(np.arange(cells, dtype=np.int32), count),
        np.ones(count * cells, np.int32),
    )
    told = np.full(units, count / (units / cells + LAMBDA))
    ids = frozenset(number.to_bytes(16, "big") for number in range(count * cells))
    system = System(rows, blocks, told, told.copy(), ids)
    return Domain(0, places, partitions, atoms, {SUBJECT: system})


def check_states(cells: int) -> None:
    """What ``states`` makes is nearly what asking makes, or another work was measured: leverages are compared."""
    units, releases = 50_000, 10
    made = states(np.random.default_rng(1), units, cells, (releases,))[releases]
    with tempfile.TemporaryDirectory(prefix="unseen-bench-") as name:
        desk, rng = Desk(Path(name), units), np.random.default_rng(1)
        for _ in range(releases):
            if not desk.ask(random_labels(rng, units, cells), cells).all():
                raise SystemExit("the audit refuses what tells nobody's value")
    asked = desk.domain.systems[SUBJECT].leverage[desk.domain.atoms.of]
    if not np.allclose(_leverages(desk.domain), asked[:_SAMPLE], rtol=1e-9):
        raise SystemExit("the leverages that stand are not those of the answers")
    for found in (_leverages(made), made.systems[SUBJECT].leverage[:_SAMPLE]):
        if np.abs(found / asked[:_SAMPLE] - 1).max() > _NEARLY:
            raise SystemExit("the state that was made is not nearly the state that asking makes")


def _leverages(domain: Domain) -> npt.NDArray[np.float64]:
    """Exact, of the first records."""
    system = domain.systems[SUBJECT]
    solved = system.solve(system.columns(domain.partitions, np.arange(_SAMPLE, dtype=np.int32)))
    return np.asarray(np.square(solved).sum(axis=0))
