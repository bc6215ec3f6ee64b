"""What the subcommands share: finding things, and writing in a harmless way."""

from __future__ import annotations

import json
import pwd
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Self, TypeVar

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


class Progress:
    """A line on standard error that is written over, when that is a terminal."""

    def __init__(self, told: str) -> None:
        """Prepare; `told` has braces for the number."""
        self._told = told
        self._stream = sys.stderr if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        return self

    def tell(self, number: int) -> None:
        """Show how far it is."""
        if self._stream is not None:
            self._stream.write(f"\r{self._told.format(number)}")
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.write("\r\x1b[K")  # the line is empty again
            self._stream.flush()


@contextmanager
def whole_output(path: str) -> Iterator[IO[str]]:
    """A file that is there as a whole at the end, for its owner alone, or not at all.

    '-' is standard output.  click's own atomic files take a name over although
    what was written to them broke off.
    """
    if path == "-":
        with click.open_file("-", "w", encoding="utf-8") as stdout:
            yield stdout
        return
    target = Path(path)
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=target.parent, delete=False
        ) as file:
            draft = Path(file.name)
            try:
                yield file
                file.close()
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{harmless(path)}: {error.strerror}") from error
