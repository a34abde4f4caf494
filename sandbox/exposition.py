"""Prometheus' text format, written by hand: names, help and samples of a few gauges and counters.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, object], float]


@dataclass(frozen=True)
class Metric:
    """One family of samples. Labels are few and bounded: each combination is a series that somebody stores."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: Iterable[Sample]

    @classmethod
    def single(cls, name: str, help: str, value: float | None) -> Metric:
        """A gauge without labels; without a value, no sample: what is not known is not 0."""
        return cls(name, "gauge", help, () if value is None else (({}, value),))

    def lines(self) -> list[str]:
        head = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}"]
        return head + [f"{self.name}{_labels(labels)} {value:.15g}" for labels, value in self.samples]


def exposition(metrics: Iterable[Metric]) -> str:
    return "".join(line + "\n" for metric in metrics for line in metric.lines())


def _labels(labels: Mapping[str, object]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
