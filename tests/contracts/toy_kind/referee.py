"""The hub adds the last shares, which everybody may see, and rounds to tens."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.documents import canonical, parse_canonical
from jobs.kinds.base import Case, File, Output, Rendered, Turn
from mpc.errors import MalformedMessage
from tests.contracts.toy_kind.party import MODULUS


class ToyReferee:
    def check(self, case: Case, state: bytes | None, round: str, sequence: int, sender: str, body: bytes) -> None:
        if len(body) != 8:
            raise MalformedMessage("a share has 8 bytes")

    def advance(self, case: Case, state: bytes | None, round: str, sequence: int, bodies: Mapping[str, bytes]) -> Turn:
        total = sum(int.from_bytes(body, "little") for body in bodies.values()) % MODULUS
        signed = total - MODULUS if total >= MODULUS // 2 else total
        content = canonical({"sum": str(round_to_tens(signed))})
        return Turn(output=Output(content, 1, 0, {"sums": 1}, {"decision": "release"}))

    def warm(self) -> None:
        return

    def render(self, case: Case, content: bytes, release: str, source: str) -> Rendered:
        text = f"# {source} {release}\n{parse_canonical(content)['sum']}\n"
        return Rendered(
            {"sum": parse_canonical(content)["sum"], "source_line": source},
            (File("txt", "text/plain", text.encode()),),
        )


def round_to_tens(value: int) -> int:
    return round(value / 10) * 10


REFEREE = ToyReferee()
