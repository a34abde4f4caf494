"""Result files and the page made from them: ``write`` is for benchmark scripts, ``update_page`` for their runners.

A result file is ``{"machine": ..., "rows": [{"work", "ours", "peer", "peer_value", "unit", "ratio", "target", "met"}],
"notes": [...]}``:
``ours`` and ``peer_value`` are medians in ``unit``, measured alternately in one run; ``ratio`` > 1 is ahead of the peer
unless ``target`` says "at most"; peer fields are null where a figure stands alone.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
PAGE = ROOT / "RESULTS.md"
COLUMNS = ("work", "ours", "unit", "peer", "peer_value", "ratio", "target", "met")
HEADINGS = ("work", "ours", "unit", "peer", "peer's value", "ratio", "target", "met")


def update_page(section: str, files: Iterable[Path], page: Path = PAGE) -> None:
    """Replace what stands between the markers of ``section`` on the page (append it if there are none)."""
    begin, end = f"<!-- {section}: begin, written by a script -->", f"<!-- {section}: end -->"
    text = page.read_text() if page.exists() else "# Results\n"
    body = f"{begin}\n\n{render(files)}\n{end}"
    if begin in text:
        before, rest = text.split(begin, 1)
        if end not in rest:
            raise SystemExit(f"{page.name}: the end marker of section {section} is missing")
        text = before + body + rest.split(end, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{body}\n"
    page.write_text(text)


def render(files: Iterable[Path]) -> str:
    """Markdown for any set of result files, grouped by file, in the order given."""
    parts = []
    for file in files:
        content = json.loads(file.read_text())
        lines = [
            f"### {file.stem}",
            "",
            f"Machine: {_machine_line(content.get('machine'))}.",
            "",
            _line(HEADINGS),
            _line("---" for _ in HEADINGS),
        ]
        lines += [_line(_cell(row.get(column)) for column in COLUMNS) for row in content.get("rows", [])]
        lines += ["", *(f"{note}  " for note in content.get("notes", [])), ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def row(
    work: str,
    ours: float,
    unit: str,
    peer: str | None = None,
    peer_value: float | None = None,
    ratio: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> dict[str, Any]:
    """One row; ``met`` is decided here and nowhere else: ``at_least`` or ``at_most`` against ``ratio``, or against
    ``ours`` in a row without a peer.
    """
    measured = ours if peer is None else ratio
    met, target = None, None
    if at_least is not None:
        met, target = measured is not None and measured >= at_least, f"at least {at_least:g}"
    elif at_most is not None:
        met, target = measured is not None and measured <= at_most, f"at most {at_most:g}"
    if measured is None:
        met = None
    values = (work, ours, unit, peer, peer_value, ratio, target, met)
    return dict(zip(COLUMNS, values, strict=True))


def write(name: str, rows: list[dict[str, Any]], notes: Iterable[str] = ()) -> Path:
    """Write ``results/<name>.json`` and print its table; returns the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"machine": machine(), "rows": rows, "notes": list(notes)}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(render([path]) + "\n")
    return path


def alternate(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each work in each round, one after the other within a round, after one warm-up each."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return times


def median_ratio(above: list[float], below: list[float]) -> float:
    """The median over rounds of above / below: drift between rounds cancels."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def machine() -> dict[str, Any]:
    """What a reader needs to place the figures; no host or user name."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def _machine_line(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return str(value) if value else "not stated"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
