"""`mailman arc trust-kit`: what to send to the administrators of members."""

from __future__ import annotations

from dataclasses import asdict
from typing import IO

import click

from mailman_arc.plugin.commands.arc_base import (
    read_domain,
    usable_services,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.policy.trustkit import show_trust_kit, trust_kit


@click.command("trust-kit")
@click.option(
    "--domain",
    "-d",
    "domains",
    type=read_domain,
    multiple=True,
    metavar="DOMAIN",
    help="A sealing domain; by default those of all identities.",
)
@with_output
def trust_kit_(domains: tuple[str, ...], form: str, outfp: IO[str]) -> None:
    """Write what members' administrators have to do to trust your seals.

    Receivers believe seals only of domains they trust.  The text has the lines
    for Microsoft 365, rspamd, Authentication Milter, OpenDMARC and MDaemon.
    """
    if domains:
        names = [*domains]
    else:
        identities = usable_services().configuration.identities.values()
        names = sorted({each.domain for each in identities})
    if not names:
        raise click.UsageError("arc.cfg has no sealing domain; give --domain")
    if form == "json":
        write_json([asdict(each) for each in trust_kit(names)], outfp)
    else:
        write_lines(show_trust_kit(names).removesuffix("\n").split("\n"), outfp)


COMMANDS = (trust_kit_,)
