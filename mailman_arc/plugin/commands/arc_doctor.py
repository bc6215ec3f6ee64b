"""`mailman arc doctor`: what is wrong with the site, and the way out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import click
from mailman.config import config

from mailman_arc.plugin.commands.arc_base import (
    usable_services,
    user_name,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.plugin.doctor import examine
from mailman_arc.policy.diagnosis import Finding, Severity, summarise


_HEADINGS = {
    Severity.ERROR: "To be mended:",
    Severity.WARNING: "To be looked at:",
    Severity.GOOD: "In order:",
}


@click.command()
@click.option(
    "--quiet", "-q", is_flag=True, help="Say only what is wrong, if anything."
)
@with_output
@click.pass_context
def doctor(ctx: click.Context, quiet: bool, form: str, outfp: IO[str]) -> None:
    """Look for what is wrong with the site, and say what helps.

    Looks at both configurations, the keys and what the DNS shows of them, the
    files and the database, pipelines and lists, and SPF and DMARC of the lists'
    mail domains.  Run it as the user that Mailman runs as.

    The exit status is 1 when something has to be mended.  Not looked at: the
    DKIM keys of your mail server, the clock, and what servers in front of
    Mailman write into posts.
    """
    services = usable_services()
    owner = Path(config.VAR_DIR).stat().st_uid
    is_mailmans_user = owner == os.geteuid()
    found = examine(services, services.resolver, is_mailmans_user=is_mailmans_user)
    if not is_mailmans_user:
        found.insert(0, _not_mailmans_user(owner))
    shown = [each for each in found if each.severity is not Severity.GOOD or not quiet]
    if form == "json":
        told = [{"severity": each.severity, "text": each.text} for each in shown]
        write_json({"user": user_name(os.geteuid()), "findings": told}, outfp)
    else:
        write_lines(_grouped(shown), outfp)
        if not quiet:
            write_lines([summarise(found)], outfp)
    if any(each.severity is Severity.ERROR for each in found):
        ctx.exit(1)


COMMANDS = (doctor,)


def _not_mailmans_user(owner: int) -> Finding:
    return Finding(
        Severity.WARNING,
        f"Mailman's files belong to {user_name(owner)}: its data directory and the "
        "lists' own settings were left alone, and that user may not be able to read "
        "what you can; run this as that user",
    )


def _grouped(found: Sequence[Finding]) -> Iterator[str]:
    for severity, heading in _HEADINGS.items():
        texts = [each.text for each in found if each.severity is severity]
        if texts:
            yield heading
            yield from (f"  {text}" for text in texts)
            yield ""
