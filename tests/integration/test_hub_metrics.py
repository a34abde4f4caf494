"""``/metrics`` and ``/docs`` of a real server: who may read them, what they say, and what they need from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from sandbox.hub.people.tokens import Role
from tests.support.live_hub import LiveHub, live_hub

SAMPLE = re.compile(r'^([a-z_]+)(?:\{([a-z]+="[^"\\]*"(?:,[a-z]+="[^"\\]*")*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$')
LABELS = {"version", "state", "method", "route", "status"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    with live_hub(tmp_path_factory.mktemp("hub")) as made:
        made.issue(Role.MONITOR, "prometheus")
        made.issue(Role.AUTHORITY, "authority")
        yield made


def scrape(hub: LiveHub, who: str | None = "prometheus") -> httpx.Response:
    return httpx.get(f"{hub.url}/metrics", headers=hub.header(who), trust_env=False)


def samples(text: str) -> dict[str, float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = SAMPLE.match(line)
            assert match, line
            found[line.rsplit(" ", 1)[0]] = float(match[3])
    return found


def test_every_line_is_of_the_text_format_and_every_family_is_explained(hub: LiveHub) -> None:
    answer = scrape(hub)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {name.split("{")[0] for name in samples(answer.text)}
    assert names <= set(re.findall(r"^# TYPE ([a-z_]+) (?:gauge|counter)$", answer.text, re.MULTILINE))
    assert answer.text.endswith("\n")


@pytest.mark.parametrize(("who", "status"), [("acme", 403), ("node-a", 403), ("auditor", 403), (None, 401)])
def test_metrics_are_the_monitor_s(hub: LiveHub, who: str | None, status: int) -> None:
    assert scrape(hub, who).status_code == status
    assert scrape(hub).status_code == 200


def test_a_monitor_reads_nothing_else_that_needs_a_token(hub: LiveHub) -> None:
    document = hub.call("GET", "/openapi.json").json()
    asked = [path for path, methods in document["paths"].items() if "security" in methods.get("get", {})]
    assert len(asked) > 15
    for path in asked:
        call = re.sub(r"\{[a-z]+\}", "x1", path.removeprefix("/v1"))
        assert hub.call("GET", call, "prometheus").status_code in (403, 422), path
    assert hub.call("POST", "/log/follow", "prometheus", json={}).status_code in (403, 422)


def test_counts_follow_what_happens(hub: LiveHub) -> None:
    before = samples(scrape(hub).text)
    hub.call("GET", "/jobs", "acme")
    hub.issue(Role.OPERATOR, "another")
    after = samples(scrape(hub).text)
    calls = 'unseen_calls_total{method="GET",route="/jobs",status="200"}'
    assert after[calls] == before.get(calls, 0) + 1
    assert after["unseen_log_entries"] == before["unseen_log_entries"] + 1
    assert "unseen_roster_seconds" not in after  # nobody has published one: unknown is not 0
    hub.call("POST", "/roster", "authority", json=hub.roster().to_json())
    assert 80_000 < samples(scrape(hub).text)["unseen_roster_seconds"] < 90_000


def test_no_label_names_anybody_and_strangers_make_no_series(hub: LiveHub) -> None:
    """Not even a path that a stranger makes up: each would be a series for ever."""
    for number in range(20):
        httpx.get(f"{hub.url}/made-up-{number}", trust_env=False)
        hub.call("GET", f"/datasets/name_{number}", "acme")
        hub.call("GET", f"/jobs/job-{number}", "acme")
    text = scrape(hub).text
    assert set(re.findall(r'([a-z]+)="', text)) <= LABELS
    for word in ("made-up", "name_", "job-1", "acme", "auditor", "node-a", "prometheus"):
        assert word not in text
    assert sum(line.startswith("unseen_calls_total") for line in text.splitlines()) < 40


class Needs(HTMLParser):
    """What a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object") or any(name in ("src", "onclick") for name, _ in attrs):
            self.found.append(tag)


def test_the_page_of_the_api_shows_every_call_and_needs_nothing_from_elsewhere(hub: LiveHub) -> None:
    answer = httpx.get(f"{hub.url}/docs", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    document = hub.call("GET", "/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in answer.text
    needs = Needs()
    needs.feed(answer.text)
    assert needs.found == []
    assert not re.findall(r"https?://|url\(|@import", re.sub(r"<pre>.*?</pre>", "", answer.text, flags=re.DOTALL))
    needs.feed('<script src="https://cdn.example/x.js"></script>')  # the control: such a page is noticed
    assert needs.found == ["script"]
