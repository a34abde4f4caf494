"""What a kind of job is: one folder, one registry line. Hub and node drive these protocols and know no kind.

A kind has three faces, each in a module of its own so that nobody loads more than it needs (``jobs.kinds.registry``):

``kind``     ``Kind``: request to plan, plan to words, scope, cost, rounds; what an offline verifier checks. Everybody.
``party``    ``Party``: one node's part, sans-I/O: messages in, messages and local steps out. Nodes.
``referee``  ``Referee``: the hub's part, pure functions of what was received. The hub, and whoever recomputes it.

A kind may have two more: ``forecast`` (``Forecast``, for operators, from a plan alone) and ``dry_run`` (``DryRun``, for
an owner at its node).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from jobs.disclosure.profile import Profile
from jobs.disclosure.zcdp import Spend
from jobs.errors import InvalidRequest
from jobs.schema import CatalogueView, Dataset, Digest, Scalar

if TYPE_CHECKING:
    from adapters.source import Input
    from jobs.disclosure.gate import Gate, Question, Verdict  # numpy: whoever verifies offline has none

R = TypeVar("R")
RandomBytes = Callable[[int], bytes]
MESSAGE_BYTES: Final = 1 << 31
"""No message of any round is larger; in how many pieces it travels is the transport's affair."""
RESERVED_ROUNDS: Final = frozenset({"sent", "stop", "destroyed", "vouch", "output"})
"""What nodes say and hear of every job apart from its kind's rounds: no round has one of these names."""


# --- rounds ------------------------------------------------------------------------------------------------------


class Receiver(StrEnum):
    """Who reads a round's messages."""

    HUB = "hub"
    """The referee, once every participant has sent its message of that sequence number."""
    ALL = "all"
    """Every participant, once every participant has sent: public keys and other openings."""
    NODE = "node"
    """One other participant, at once; sealed to its certified key, so the hub relays what it cannot read."""


@dataclass(frozen=True)
class Round:
    """One row of a kind's table of rounds. A round of the hub itself is what its referee says to all participants."""

    name: str
    receiver: Receiver = Receiver.HUB
    by_hub: bool = False
    reveals: bool = False
    """Informative: whoever reads it learns something about the data. After it no charge is given back."""
    binding: bool = False
    """The point of no return: a node that has sent it does not abort any more. It ``reveals``, and so do all rounds of
    nodes after it, which are binding too (``jobs.kinds.registry.check_rounds``)."""
    repeats: int = 1
    """At most so many messages of one sender to one receiver, numbered from 0 without a gap."""
    optional: bool = False
    """May be missing from a complete walk."""


# --- a permitted job ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What every side of a permitted job knows. ``plan`` is what the kind's ``read`` returned."""

    permit: Digest
    nonce: str
    plan: Any
    parameters: Mapping[str, Scalar]
    participants: tuple[str, ...]
    profile: Profile


@dataclass(frozen=True)
class Incoming:
    """A message, or all messages of one sequence number of a round, as a party receives them: verified and opened.

    ``transcript`` (32 bytes) binds permit, participants and everything that was relayed to *all* participants so far,
    this included: a party puts it into the context of its next mask, so that nodes which were told different things
    cannot add up to anything but noise.
    """

    round: str
    sequence: int
    bodies: Mapping[str, bytes] = field(repr=False)
    """By sender; of the hub under its id."""
    transcript: bytes = field(repr=False)

    @property
    def body(self) -> bytes:
        """The only body of a round with one sender."""
        (body,) = self.bodies.values()
        return body


@dataclass(frozen=True)
class Send:
    """One message to leave the node. It is stored, with record, charge and checkpoint, before it is sent.

    ``record``: what the owner's own record keeps of it. ``metered``: what this run used of the kind's metered units,
    with the binding message; it lowers the reservation and is signed by the node.
    """

    round: str
    body: bytes = field(repr=False)
    receiver: str | None = None
    """The participant, in a round to one node."""
    sequence: int = 0
    part: bytes | None = field(default=None, repr=False)
    """What stands behind the message before it was masked, canonical: the node commits to it, so that its owner can
    show an auditor later what it sent although the mask keys are gone."""
    record: Mapping[str, Any] = field(default_factory=dict)
    metered: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Compute:
    """A local step to run on the owner's workers; its result comes back through ``Party.computed``."""

    step: LocalStep[Any]


@dataclass(frozen=True)
class Ask:
    """Ask the node's gate, whose verdict comes back through ``Party.judged`` at once: what is sent then is stored in
    the transaction that remembers what was asked. The only act of its turn.

    ``vetoes``: how many cells rules that look at secret values have closed; the node counts them.
    """

    questions: tuple[Question, ...] = field(repr=False)
    vetoes: int = 0


@dataclass(frozen=True)
class Done:
    """All is sent: the node signs the list of what it sent and waits for the end."""


Act = Send | Compute | Ask | Done


class Party(Protocol):
    """One node's part in one job. A refused message raises a typed error and changes nothing."""

    def start(self) -> Sequence[Act]: ...

    def computed(self, result: Any) -> Sequence[Act]: ...

    def judged(self, verdict: Verdict) -> Sequence[Act]:
        """The gate's answer to the last ``Ask``. A kind that never asks raises ``ProtocolViolation``."""
        ...

    def receive(self, incoming: Incoming) -> Sequence[Act]: ...

    def resume(self) -> Sequence[Compute]:
        """After a checkpoint, instead of ``start``: the local steps whose results it had not had, to run again."""
        ...

    def checkpoint(self) -> bytes | None:
        """All that is needed to go on after a crash, or ``None``: then a crash ends the job, typed.

        Stored encrypted in the transaction that stores what the party sends, and destroyed with the job.
        """
        ...

    def destroy(self) -> None:
        """Forget keys and intermediates; nothing can be sent after it."""
        ...


@dataclass(frozen=True)
class Seat:
    """Whose part a party plays: its own node, where secret randomness comes from, and the node's gate."""

    case: Case
    own: str
    rng: RandomBytes = field(repr=False)
    gate: Gate = field(repr=False)


class MakeParty(Protocol):
    def __call__(self, seat: Seat, checkpoint: bytes | None = None) -> Party:
        """A fresh party, or the one that wrote the checkpoint, which is asked to ``resume`` and not to start."""
        ...


class DryRun(Protocol):
    """One part, judged for the eyes of its owner alone, without a permit: nothing is masked, stored or sent."""

    @property
    def step(self) -> LocalStep[Any]: ...

    def asked(self, result: Any) -> Ask:
        """What a party would ask the node's gate after this result of the step; called once."""
        ...

    def told(self, verdict: Verdict) -> Mapping[str, Any]:
        """JSON for the owner: which numbers would be withheld, by which rule. Names no individual."""
        ...


class MakeDryRun(Protocol):
    def __call__(self, plan: Any, parameters: Mapping[str, Scalar], profile: Profile, gate: Gate) -> DryRun: ...


class LocalStep(Protocol[R]):
    """Work on the owner's data, in pieces that share nothing. Picklable; imports its engine only when it runs."""

    def parts(self, tables: Mapping[str, Input]) -> int:
        """How many pieces there are; asked where the data is."""
        ...

    def run(self, part: int, tables: Mapping[str, Input], limits: Limits) -> R:
        """One piece. Run again from the start if its worker is lost."""
        ...

    def merge(self, results: Sequence[R]) -> R:
        """Several results as one; associative, in any order."""
        ...


@dataclass(frozen=True)
class Limits:
    """What one local step may use on one worker. ``memory_bytes`` bounds the engine's own memory."""

    memory_bytes: int = 1 << 30
    threads: int = 2

    def __post_init__(self) -> None:
        if self.memory_bytes < 32 << 20 or not 1 <= self.threads <= 256:
            raise InvalidRequest("limits: at least 32 MiB of memory and 1 to 256 threads")


# --- the hub's part ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """One form of a released content, whole."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Output:
    """What a job would release, after the gate. ``content`` is its one canonical form: what participants recompute."""

    content: bytes = field(repr=False)
    released: int
    withheld: int
    metered: Mapping[str, int]
    verdict: Mapping[str, Any]
    """Which rules decided, and counts; never a value."""


@dataclass(frozen=True)
class Rendered:
    """An output as people and programs take it: JSON for the API, and whole files."""

    shown: Mapping[str, Any]
    files: tuple[File, ...]


@dataclass(frozen=True)
class Say:
    """What the referee tells all participants, in a round of the hub."""

    round: str
    body: bytes = field(repr=False)
    sequence: int = 0


@dataclass(frozen=True)
class Turn:
    """What follows from a complete round. ``state``: opaque to the hub, kept encrypted until the job ends."""

    say: Sequence[Say] = ()
    state: bytes | None = field(default=None, repr=False)
    output: Output | None = None


class Referee(Protocol):
    """The hub's arithmetic: pure and deterministic, so that a participant who is shown the inputs gets the same."""

    def check(self, case: Case, state: bytes | None, round: str, sequence: int, sender: str, body: bytes) -> None:
        """Refuse a message of a round to the hub, or to all, before it is stored; raises a typed error."""
        ...

    def advance(self, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]) -> Turn:
        """All messages of one sequence number of a round to the hub are there. Raises a typed error to end the job."""
        ...

    def warm(self) -> None:
        """Load what the first job would wait for."""
        ...

    def render(self, case: Case, content: bytes, release: str, source: str) -> Rendered:
        """All forms of an output's content. ``release`` and ``source`` go into each: a copy still says whence it is."""
        ...


# --- the front ---------------------------------------------------------------------------------------------------


class PlanWords(Protocol):
    """A plan in words: what an owner reads before signing."""

    def text(self) -> str: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Compiled:
    """A request as a plan, with the values of this run's parameters in canonical form."""

    plan: Any
    parameters: Mapping[str, Scalar]


@dataclass(frozen=True)
class Reading:
    """One node reads columns of one dataset, of which it declares at most so many rows."""

    node: str
    dataset: str
    columns: tuple[str, ...]
    rows: int


class Forecast(Protocol):
    """What plan and declarations alone say of a run: no data was looked at."""

    def text(self) -> str: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


class Kind(Protocol):
    """What everybody needs of a kind: pure, and importable without servers, engines or Ray.

    A *plan* is the kind's own type; ``to_json`` gives the object that permits carry and whose digest grants bind.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]
    form: ClassVar[str]
    """``OutputRule.form``: what may leave."""
    rounds: ClassVar[tuple[Round, ...]]
    metered: ClassVar[tuple[str, ...]]
    """Names of the units that a run is charged in, besides the run itself."""
    recomputed: ClassVar[bool]
    """Everything said to the hub may be shown to all participants, who recompute the output and sign it."""

    def compile(self, request: Mapping[str, Any], view: CatalogueView) -> Compiled:
        """The operator's request to a plan; raises ``InvalidRequest`` saying what to change."""
        ...

    def read(self, plan: Mapping[str, Any]) -> Any:
        """A plan from its JSON; raises ``BadDocument``."""
        ...

    def to_json(self, plan: Any) -> dict[str, Any]: ...

    def parameters(self, plan: Any, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """This run's values in canonical form; raises ``InvalidRequest``."""
        ...

    def check(self, plan: Any, own: str, datasets: Mapping[str, Dataset], readings: Sequence[Reading]) -> None:
        """At a node: only what the compiler makes from the node's own ``datasets`` is a plan.

        ``readings``: what the permit says that every participant reads. Raises a typed error naming what differs.
        """
        ...

    def touched(self, plan: Any) -> Mapping[str, tuple[str, ...]]:
        """Per dataset, sorted names of every column that is read: what a grant's data scope must cover."""
        ...

    def readings(self, plan: Any, view: CatalogueView) -> tuple[Reading, ...]:
        """What every participant reads, participants in the permit's order; ``InvalidRequest`` if one is missing."""
        ...

    def profile(self, plan: Any) -> str:
        """Id of the disclosure profile that the plan names."""
        ...

    def explain(self, plan: Any, datasets: Sequence[Dataset]) -> PlanWords:
        """In words, from the reader's own declarations; the same text for two readers of one plan."""
        ...

    def cost(self, plan: Any) -> Mapping[str, int]:
        """The most that a run may be charged at one node, per metered unit."""
        ...

    def spends(self, plan: Any) -> tuple[Spend, ...]:
        """What a run costs each unit domain under differential privacy; none: the kind draws no such noise, and a
        node refuses it under such a profile. The party asks the node's gate before anything with this noise leaves."""
        ...
