"""`mailman arc explain`, `verify` and `seal`: one message from a file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from email import message_from_bytes
from typing import IO, Any

import click
from mailman.email.message import Message

from mailman_arc.adapters.resolver import Resolver, ResolverOptions
from mailman_arc.adapters.zonefile import ZoneFileError, read_zone_file
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.authres import MethodResult
from mailman_arc.mailauth.authres_writer import format_results
from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.mailauth.results import Result
from mailman_arc.plugin.commands.arc_base import (
    find_list,
    format_option,
    message_argument,
    output_option,
    usable_services,
    write_json,
    write_lines,
)
from mailman_arc.plugin.handlers.authenticate import ARRIVAL_KEY
from mailman_arc.plugin.messages import to_octets
from mailman_arc.plugin.reception import RESULTS_FIELD, write_verdict
from mailman_arc.plugin.sealing import CopySealer
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.arrival import (
    Arrival,
    format_arrival,
    remember,
    with_vouching,
)
from mailman_arc.policy.explanation import explain_message, show_explanation
from mailman_arc.policy.inbound import (
    Authentication,
    Demands,
    authenticate,
    names_to_look_up,
)
from mailman_arc.policy.outbound import Outgoing, seal_octets
from mailman_arc.policy.report import own_results


METHODS = ("arc", "dkim", "dmarc")

dns_option = click.option(
    "--dns",
    "zone_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A zone file that answers instead of the DNS.",
)


def _requirements(
    _ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Read `arc=pass`, as a method and its result."""
    wanted = []
    for each in given:
        method, _, result = each.partition("=")
        if method not in METHODS or result not in set(Result):
            methods = ", ".join(METHODS)
            raise click.BadParameter(
                f"give METHOD=RESULT, such as arc=pass; methods: {methods}"
            )
        wanted.append((method, result))
    return wanted


@click.command()
@message_argument
@dns_option
@click.option(
    "--bodyhash", is_flag=True, help="Show the body hashes, signed and as they are."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@format_option
@output_option
def explain(
    message: IO[bytes],
    zone_file: str | None,
    bodyhash: bool,  # a flag of the command line
    as_json: bool,
    form: str,
    outfp: IO[str],
) -> None:
    """Explain what the signatures and seals of a message are worth, and why.

    FILE has the message with all its header fields; '-' is standard input.  Each
    check is told with the section of the RFC that asks for it.  SPF cannot be
    checked, because a file does not tell who sent it.
    """
    services = usable_services()
    octets = message.read()
    read = read_message(octets)
    demands = replace(services.settings.demands, oldest_pass=True)
    found = _authenticated(services, read, zone_file, demands)
    told = explain_message(
        octets, read, found, services.settings.trust, with_body_hashes=bodyhash
    )
    if as_json or form == "json":
        write_json(asdict(told), outfp)
    else:
        write_lines(show_explanation(told), outfp)


@click.command()
@message_argument
@dns_option
@click.option(
    "--require",
    "-r",
    "requirements",
    multiple=True,
    metavar="METHOD=RESULT",
    callback=_requirements,
    help="End with status 1 unless this was found, such as arc=pass; may be given "
    "several times, and then all of it has to be.",
)
@format_option
@output_option
@click.pass_context
def verify(
    ctx: click.Context,
    message: IO[bytes],
    zone_file: str | None,
    requirements: list[tuple[str, str]],
    form: str,
    outfp: IO[str],
) -> None:
    """Show the Authentication-Results that a post would get on arrival.

    FILE has the message; '-' is standard input.
    """
    services = usable_services()
    demands = services.settings.demands
    read = read_message(message.read())
    found = _authenticated(services, read, zone_file, demands)
    results = own_results(found)
    if form == "json":
        write_json([asdict(each) for each in results], outfp)
    else:
        value = format_results(services.settings.authserv_id, results).decode()
        write_lines(f"{RESULTS_FIELD}:{value}".split("\r\n"), outfp)
    missing = _missing(requirements, results)
    if missing:
        click.echo(f"not found: {', '.join(missing)}", err=True)
        ctx.exit(1)


@click.command()
@message_argument
@dns_option
@click.option(
    "--list", "listspec", metavar="LISTSPEC", help="Seal as for a post of this list."
)
@click.option("--identity", metavar="NAME", help="Seal as this identity of arc.cfg.")
@click.option(
    "--output",
    "-o",
    "outfp",
    metavar="FILENAME",
    type=click.File("wb", atomic=True),
    default="-",
    help="File to write to; '-', the default, is standard output.",
)
def seal(
    message: IO[bytes],
    zone_file: str | None,
    listspec: str | None,
    identity: str | None,
    outfp: IO[bytes],
) -> None:
    """Write a message as it would leave, judged and sealed; nothing is sent.

    FILE has the message as it arrived; '-' is standard input.  What a list
    changes, such as its subject prefix, is not done.  With --list, text that may
    not survive transport is encoded first, as that list has it.  The lines of the
    output end in CRLF.
    """
    if (listspec is None) == (identity is None):
        raise click.UsageError("Give either --list or --identity")
    services = usable_services()
    octets = message.read()
    read = read_message(octets)
    found = _authenticated(services, read, zone_file, services.settings.demands)
    arrival = remember(found, read, services.settings.authserv_id, int(time.time()))
    msg = message_from_bytes(octets, Message)
    if listspec is not None:
        outgoing = _sealed_for_list(services, find_list(listspec), msg, arrival)
    else:
        outgoing = _sealed_by(services, str(identity), msg, arrival)
    if outgoing.unsealed is not None:
        detail = f": {outgoing.detail}" if outgoing.detail else ""
        raise click.ClickException(f"not sealed: {outgoing.unsealed}{detail}")
    outfp.write(outgoing.octets)


COMMANDS = (explain, verify, seal)


def _authenticated(
    services: Services,
    message: WireMessage,
    zone_file: str | None,
    demands: Demands,
) -> Authentication:
    trust = services.settings.trust
    resolver = services.resolver
    if zone_file is not None:
        try:
            static = read_zone_file(zone_file)
        except ZoneFileError as error:
            raise click.ClickException(str(error)) from error
        resolver = Resolver(ResolverOptions(static_only=True), static)
    answers = resolver.fetch(names_to_look_up(message, trust, demands=demands))
    return authenticate(message, answers, int(time.time()), trust, demands=demands)


def _missing(
    requirements: Iterable[tuple[str, str]], results: Iterable[MethodResult]
) -> list[str]:
    found = {(each.method, str(each.result)) for each in results}
    return [
        f"{method}={result}"
        for method, result in requirements
        if (method, result) not in found
    ]


def _sealed_for_list(
    services: Services, mlist: Any, msg: Message, arrival: Arrival
) -> Outgoing:
    settings = services.for_list(mlist).settings
    if settings.mode.reports:
        told = with_vouching(arrival, settings.trusted_sealers)
        write_verdict(msg, told, services.settings.trust)
    return CopySealer(mlist, {ARRIVAL_KEY: format_arrival(arrival)}).seal(msg)


def _sealed_by(
    services: Services, name: str, msg: Message, arrival: Arrival
) -> Outgoing:
    configuration = services.configuration
    identity = configuration.identities.get(name)
    if identity is None:
        known = ", ".join(configuration.identities) or "none"
        raise click.UsageError(f"No such identity: {name}; known: {known}")
    settings = configuration.for_list(identity.domain).settings
    if settings.mode.reports:
        write_verdict(msg, arrival, services.settings.trust)
    octets = to_octets(msg)
    sealer = services.with_key(identity)
    if not isinstance(sealer, SealingIdentity):
        return Outgoing(octets, sealer)
    return seal_octets(octets, arrival, sealer, int(time.time()), settings)
