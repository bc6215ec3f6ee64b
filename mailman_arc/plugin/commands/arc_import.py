"""`mailman arc import`: an arc.cfg of what another program was configured with."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from mailman_arc.plugin.commands.arc_base import harmless, output_option, write_lines
from mailman_arc.policy.foreign import Source, detect_source
from mailman_arc.policy.importing import (
    Fate,
    Imported,
    Note,
    import_text,
    show_settings,
)


MAX_FILE = 1_000_000  # characters of a file that the configuration names


@click.command("import")
@click.argument("file", metavar="FILE", type=click.File("r", encoding="utf-8-sig"))
@click.option(
    "--from",
    "source",
    type=click.Choice([each.value for each in Source]),
    help="Whose configuration it is; by default that is found out.",
)
@output_option
def import_(file: IO[str], source: str | None, outfp: IO[str]) -> None:
    """Make an arc.cfg of the configuration of another program.

    FILE is OpenARC's openarc.conf, Mailman's own mailman.cfg with its section
    [ARC], Sympa's sympa.conf, robot.conf or a list's config, or rspamd's
    local.d/arc.conf; '-' is standard input.  Comments in the output say what
    became of each option.  What could hurt is said on standard error, too.
    """
    try:
        text = file.read()
    except ValueError as error:
        raise click.ClickException(f"{file.name} is not text in UTF-8") from error
    whose = Source(source) if source else detect_source(text)
    imported = import_text(text, whose, socket.gethostname(), _read)
    imported.notes += _missing_files(imported)
    write_lines(show_settings(imported).removesuffix("\n").split("\n"), outfp)
    for note in imported.notes:
        if note.fate is Fate.DANGEROUS:
            click.echo(harmless(str(note)), err=True)


COMMANDS = (import_,)


def _missing_files(imported: Imported) -> Iterator[Note]:
    for path, option in imported.files.items():
        problem = _problem_of(path)
        if problem:
            yield Note(Fate.DANGEROUS, option, f"{path}: {problem}")


def _read(path: str) -> str:
    """The text of a file; empty when it cannot be read, which is said elsewhere."""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_FILE)
    except (OSError, ValueError):
        return ""


def _problem_of(path: str) -> str:
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return str(error.strerror)
    except ValueError:
        return "this cannot be the name of a file"
