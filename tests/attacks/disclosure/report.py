"""``python -m tests.attacks.disclosure.report [NAME]...``: run every disclosure attack and write ``docs/attacks.md``; or
run those that are new or were changed and write their lines anew."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.attacks.disclosure.bench import Attack, Outcome
from tests.attacks.disclosure.catalogue import ATTACKS, LIVE, SIMULATED, simulated
from tests.attacks.disclosure.live import Live, open_live

PAGE: Final = Path(__file__).parents[3] / "docs" / "attacks.md"
HEAD: Final = """\
# Attacks on released numbers, and how far they get
Written by `python -m tests.attacks.disclosure.report` from a run; not edited. Each attack is run with its defence off, where it must succeed, and
under `standard@2`. *right*: the share of the targets that it gets right; *guess*: what a guess without any answer gets; *answered*: the share of the
numbers asked for that were released. Limits: 75% of yes/no values, no exact value beyond chance, 80% of a rebuilt column.
What is promised and what is not: [disclosure.md](disclosure.md). People are made up; *live* attacks run over the public API against real processes,
with noise that is new in each run (so their share may be beyond a limit by chance: of 24 targets two deviations are 18%, of 72 10%), the others in one
process with fixed keys. A target about whom nothing was answered is guessed by a coin: where *answered* is 0%, *right* is luck.

| attack | | without the defence | under `standard@2` | guess | answered | what stops it, what is left |
|---|---|---|---|---|---|---|
"""


def some(names: Iterable[str]) -> None:
    """Other lines stay. Ends for a line that would be of an attack that nobody ran."""
    found = PAGE.read_text().partition("|---|\n")[2].splitlines()
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in found}
    chosen = [attack for attack in ATTACKS if attack.name in names]
    for attack in chosen:
        lines[attack.title] = row(attack, *(_both_alone(attack) if attack.live else both_simulated(attack.name)))
    missing = [attack.name for attack in ATTACKS if attack.title not in lines]
    if missing or len(chosen) != len(set(names)):
        raise SystemExit(f"the page has no line of {', '.join(missing)}" if missing else "no attack has such a name")
    PAGE.write_text(HEAD + "".join(f"{lines[attack.title]}\n" for attack in ATTACKS))


def main() -> None:
    """What runs in this process needs no order: one process for each core, and the live ones beside them."""
    found: dict[str, tuple[Outcome, Outcome]] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        coming = {pool.submit(both_simulated, attack.name): attack for attack in SIMULATED}
        with tempfile.TemporaryDirectory() as folder, open_live(Path(folder)) as live:
            for attack in LIVE:
                found[attack.name] = both_live(attack, live)
                print(row(attack, *found[attack.name]), flush=True)
        for done in as_completed(coming):
            attack = coming[done]
            found[attack.name] = done.result()
            print(row(attack, *found[attack.name]), flush=True)
    PAGE.write_text(HEAD + "".join(f"{row(attack, *found[attack.name])}\n" for attack in ATTACKS))


def both_simulated(name: str) -> tuple[Outcome, Outcome]:
    """The control's outcome, and that under the standard profile."""
    (attack,) = [attack for attack in SIMULATED if attack.name == name]
    return simulated(attack, attack.control), simulated(attack, attack.bench)


def both_live(attack: Attack, live: Live) -> tuple[Outcome, Outcome]:
    control = live.of("open@1", rows_are_units=attack.control.endswith("units"))
    return attack.run(control), attack.run(live.of("standard@2"))


def _both_alone(attack: Attack) -> tuple[Outcome, Outcome]:
    with tempfile.TemporaryDirectory() as folder, open_live(Path(folder)) as live:
        return both_live(attack, live)


def row(attack: Attack, control: Outcome, found: Outcome) -> str:
    within = found.is_within(attack.limit, by_chance=attack.live)
    shown = percent(found.rate) if within else f"**{percent(found.rate)}, beyond the limit**"
    left = attack.defence + (f". Left: {attack.residual}" if attack.residual else "")
    cells: Iterable[str] = (
        attack.title, "live" if attack.live else f"{attack.control}", percent(control.rate), f"{shown} of {found.tries}",
        percent(found.base), percent(found.answered), left,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


if __name__ == "__main__":
    some(sys.argv[1:]) if sys.argv[1:] else main()
