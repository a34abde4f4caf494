"""``GET /docs``: the API as one page for people, made of the OpenAPI document. No script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

router = APIRouter()
_OTHER: Final = "other"
_POLICY: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.6rem;overflow:auto}summary{cursor:pointer}td{padding:0 1rem 0 0}"
)


@router.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> HTMLResponse:
    """Works without a network beyond the hub, and without a token: it says what calls there are, not what they hold."""
    return HTMLResponse(page(request.app), headers=_POLICY)


@lru_cache(maxsize=2)
def page(app: FastAPI) -> str:
    """The whole page."""
    document = app.openapi()
    info = document["info"]
    calls = [(path, method, call) for path, methods in document["paths"].items() for method, call in methods.items()]
    tags = list(dict.fromkeys(tag for _, _, call in calls for tag in call.get("tags", [_OTHER])))
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('summary', ''))}</p>",
        "<p>For programs: <a href=/v1/openapi.json>openapi.json</a>. A token goes into the header "
        "<code>Authorization: Bearer unseen_...</code>; a refusal is RFC 9457 problem details.</p>",
    ]
    for tag in tags:
        parts.append(f"<h2>{escape(tag)}</h2>")
        for path, method, call in calls:
            if tag in call.get("tags", [_OTHER]):
                parts.extend(_call(path, method, call))
    parts.append("<h2>shapes</h2>")
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(f"<details id='{escape(name)}'><summary>{escape(name)}</summary>{_json(schema)}</details>")
    return "\n".join([*parts, "</html>"])


def _call(path: str, method: str, call: dict[str, Any]) -> Iterator[str]:
    who = "a token" if "security" in call else "no token"
    yield f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
    yield f"<p>{escape(call.get('description', ''))} <small>({who})</small></p>"
    if parameters := call.get("parameters"):
        rows = (
            f"<tr><td><code>{escape(item['name'])}</code><td>{escape(item['in'])}<td>{_need(item)}"
            f"<td>{escape(item.get('description') or item['schema'].get('description', ''))}"
            for item in parameters
        )
        yield "<table>" + "".join(rows) + "</table>"
    if body := call.get("requestBody"):
        yield "<details><summary>body</summary>" + _json(body["content"]) + "</details>"
    answers = {code: said.get("content", {}) for code, said in call.get("responses", {}).items() if code != "default"}
    yield "<details><summary>answer</summary>" + _json(answers) + "</details>"


def _need(parameter: dict[str, Any]) -> str:
    return "needed" if parameter.get("required") else "may be left out"


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
