"""The owner's alarms: what happened, in which job, when, and what to do; a node with one that stands runs no job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sandbox.cli.context import AsJson, NodeConfig
from sandbox.cli.own_node import ask_node
from sandbox.cli.render import command, moment, show_next
from sandbox.cli.terminal import say, say_json


def alarms(
    config: NodeConfig,
    every: Annotated[bool, typer.Option("--all", help="Acknowledged ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """What stops this node from running jobs, and what to do about it. Exit code 1 while an alarm stands."""
    found: list[dict[str, Any]] = ask_node(config, {"do": "alarms"})["alarms"]
    standing = [item for item in found if item["acknowledged"] is None]
    if as_json:
        say_json(found if every else standing)
    else:
        for item in found if every else standing:
            _show(item)
        if standing:
            say("[bold red]{count} alarm(s) stand: this node runs no job until you acknowledge them[/]",
                count=len(standing))  # fmt: skip
            show_next(command("unseen node acknowledge", standing[0]["id"]))
        else:
            say("no alarm stands")
    if standing:
        raise typer.Exit(1)


def acknowledge(
    config: NodeConfig,
    alarm: Annotated[int, typer.Argument(help="Its number in 'unseen node alarms'.")],
    as_json: AsJson = False,
) -> None:
    """You have seen this alarm and done about it what is to be done: it no longer stops jobs. It stays in the list."""
    answer = ask_node(config, {"do": "acknowledge", "alarm": alarm})
    if as_json:
        say_json(answer)
        return
    if answer["standing"]:
        say("alarm {number} is acknowledged; {count} still stand(s)", number=alarm, count=len(answer["standing"]))
        show_next(command("unseen node acknowledge", answer["standing"][0]))
    else:
        say("alarm {number} is acknowledged: this node runs jobs again", number=alarm)


def _show(item: dict[str, Any]) -> None:
    seen = item["acknowledged"]
    say(
        "[bold]alarm {number}[/]  {when}  job {job}  [red]{code}[/]{state}",
        number=item["id"],
        when=moment(item["at"]),
        job=item["job"],
        code=item["code"],
        state=f"  acknowledged {moment(seen)}" if seen else "",
    )
    say("  {text}", text=item["text"])
    if not seen:
        say("  [dim]what to do:[/] {advice}", advice=item["advice"])
