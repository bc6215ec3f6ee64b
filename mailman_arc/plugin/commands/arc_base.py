"""What the subcommands share: finding things, and writing in a harmless way."""

from __future__ import annotations

import json
import pwd
from collections.abc import Callable, Iterable
from typing import IO, Any, TypeVar

import click
from mailman.interfaces.listmanager import IListManager
from zope.component import getUtility

from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.plugin import wiring
from mailman_arc.plugin.wiring import Services


_Function = TypeVar("_Function", bound=Callable[..., Any])

output_option = click.option(
    "--output",
    "-o",
    "outfp",
    metavar="FILENAME",
    type=click.File("w", encoding="utf-8", atomic=True),
    default="-",
    help="File to write to; '-', the default, is standard output.",
)
format_option = click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Text for people, the default, or JSON for programs.",
)
message_argument = click.argument("message", metavar="FILE", type=click.File("rb"))


def with_output(function: _Function) -> _Function:
    """The options `--format` and `--output`."""
    decorated: _Function = format_option(output_option(function))
    return decorated


def usable_services() -> Services:
    """The services of this process; an error while `arc.cfg` cannot be used."""
    services = wiring.services()
    if services is None:
        raise click.ClickException(
            "arc.cfg cannot be used; `mailman arc check` says why"
        )
    return services


def find_list(spec: str) -> Any:
    """The mailing list of this id or address; an error of usage if there is none."""
    found = getUtility(IListManager).get(spec)
    if found is None:
        raise click.UsageError(f"No such list: {harmless(spec)}")
    return found


def read_domain(text: str) -> str:
    """A domain or selector as the DNS has it; an error of usage if it is none."""
    try:
        return parse_domain(text)
    except MalformedField as error:
        raise click.BadParameter(f"{harmless(text)} is not a domain name") from error


def user_name(number: int) -> str:
    """The name of a user of this machine, or the number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def write_lines(lines: Iterable[str], outfp: IO[str]) -> None:
    """Write lines in which text from strangers may be."""
    for line in lines:
        click.echo(harmless(line), file=outfp)


def write_json(value: object, outfp: IO[str]) -> None:
    """Write a value as JSON; text from strangers does no harm in it."""
    text = json.dumps(value, indent=2).replace("\x7f", "\\u007f")
    click.echo(text, file=outfp)


def harmless(text: str) -> str:
    """The text without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
