"""`mailman arc keys`: make keys, publish them, and turn them over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.adapters.keystore import StoredKey
from mailman_arc.mailauth.crypto import KeyType
from mailman_arc.plugin.commands.arc_base import (
    harmless,
    output_option,
    read_domain,
    usable_services,
    user_name,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.plugin.commands.keys_told import (
    ask,
    check_line,
    day_of,
    is_shown,
    list_line,
    publications_of,
    tell_checked,
    tell_found,
)
from mailman_arc.plugin.keylist import (
    ListedKey,
    iso_time,
    list_keys,
    needed_until,
    tell_key,
)
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.configuration import Configuration
from mailman_arc.policy.dnsrecord import RecordForm, record_value, show_record
from mailman_arc.policy.keychoice import (
    ED25519_WARNING,
    default_selector,
    preferred_selectors,
    why_not_activate,
    why_not_retire,
)


_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Keys(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyFileError as error:
            raise click.ClickException(harmless(str(error))) from error


domain_argument = click.argument("domain", type=read_domain)
selector_argument = click.argument("selector", type=read_domain)


def with_record(function: _Function) -> _Function:
    """The options for how a record is written, and what it says."""
    for option in (
        output_option,
        click.option(
            *("--email-only", "--restrict", "-r", "email_only"),
            is_flag=True,
            help="Add s=email: for mail alone.",
        ),
        click.option(
            "--no-subdomains", is_flag=True, help="Add t=s: not for subdomains in i=."
        ),
        click.option("--testing", is_flag=True, help="Add t=y: the key is on trial."),
        click.option(
            "--hash-algorithms",
            type=click.Choice(["sha256"]),
            help="Add h=: for signatures with this hash alone.",
        ),
        click.option(
            "--note",
            "-n",
            default="",
            metavar="TEXT",
            help="Add n=: a note for people; everybody can read it.",
        ),
        click.option(
            "--format",
            "-f",
            "form",
            type=click.Choice([each.value for each in RecordForm]),
            default=RecordForm.ZONE.value,
            help="A line for a zone file, the default; the value alone, in quoted "
            "strings (text) or in one piece (bare), for the form of a provider; a line "
            "for OpenARC's TestKeys; or JSON for programs.",
        ),
    ):
        function = option(function)
    return function


@click.group(cls=_Keys)
def keys() -> None:
    """Make keys, publish them, and turn them over.

    A new key is 'next'; when the DNS shows it, make it 'active'.  The key that
    became active last seals; when it has proved itself, make the one before it
    'retired'.  Run these as the user Mailman runs as.
    """


@keys.command()
@domain_argument
@click.option(
    "--selector",
    "-s",
    type=read_domain,
    metavar="SELECTOR",
    help="The name of the key; by default arc and the day, such as arc20260901.",
)
@click.option(
    "--bits",
    "-b",
    default=2048,
    metavar="BITS",
    help="Size of an RSA key; by default 2048.",
)
@click.option(
    "--type",
    "-t",
    "key_type",
    type=click.Choice(["rsa", "ed25519"]),
    default="rsa",
    help="RSA, the default, or Ed25519, which few receivers of ARC can verify.",
)
@with_record
def new(
    domain: str,
    selector: str | None,
    bits: int,
    key_type: KeyType,
    form: str,
    outfp: IO[str],
    **tags: Any,
) -> None:
    """Make a key for DOMAIN, and show the record to publish for it.

    Nothing is sealed with it before `activate`.  The record goes to standard
    output, everything else to standard error.
    """
    services = usable_services()
    _check_user(services)
    now = int(time.time())
    selector = selector or default_selector(now)
    if any(each.selector == selector for each in list_keys(services, domain)[0]):
        raise click.ClickException(
            f"there is a key {selector} of {domain} already: a key is never replaced, "
            "give the new one another --selector"
        )
    made = services.key_store.new(domain, selector, now, key_type=key_type, bits=bits)
    _say(f"made {made.path} ({made.algorithm}, {made.bits} bits); publish its record:")
    _write_record(services, ListedKey.of_store(made), form, outfp, tags)
    if key_type == "ed25519":
        _say(f"warning: {ED25519_WARNING}")
    _say(
        "when all your name servers have it: "
        f"`mailman arc keys activate {domain} {selector}`"
    )
    _say(_who_uses(services.configuration, domain))


@keys.command()
@domain_argument
@selector_argument
@with_record
def publish(domain: str, selector: str, form: str, outfp: IO[str], **tags: Any) -> None:
    """Show the record to publish for a key."""
    services = usable_services()
    key = _find(services, domain, selector)
    _write_record(services, key, form, outfp, tags)


@keys.command()
@click.argument("domain", type=read_domain, required=False)
@click.argument("selector", type=read_domain, required=False)
@with_output
@click.pass_context
def check(
    ctx: click.Context,
    domain: str | None,
    selector: str | None,
    form: str,
    outfp: IO[str],
) -> None:
    """Ask the DNS whether it shows a key, those of DOMAIN, or all.

    Retired keys whose record is needed no more are left out, unless they are
    named.  The exit status is 1 unless all are shown.
    """
    services = usable_services()
    problems: list[str] = []
    if domain is not None and selector is not None:
        wanted = [_find(services, domain, selector)]
    else:
        listed, problems = list_keys(services, domain)
        now = int(time.time())
        wanted = [key for key in listed if _needs_record(key, now)]
        if not wanted and not problems:
            where = "" if domain is None else f" for {domain}"
            raise click.ClickException(
                f"there is no key{where}; `mailman arc keys new` makes one"
            )
    found = ask(services, wanted)
    if form == "json":
        write_json([tell_checked(key, found[key]) for key in wanted], outfp)
    else:
        write_lines((check_line(key, found[key]) for key in wanted), outfp)
    _say(*problems)
    if problems or not all(is_shown(each) for each in found.values()):
        ctx.exit(1)


@keys.command()
@domain_argument
@selector_argument
def activate(domain: str, selector: str) -> None:
    """Seal with a key from the next post on.

    Refused unless the DNS shows it; with 'check_pubkey: no' in arc.cfg the DNS is
    not asked.  Keys that were active stand by.
    """
    services = usable_services()
    _check_user(services)
    key = _find(services, domain, selector)
    stored = _turned_over(key)
    services.keys.get(key.path)  # a key that cannot be used is not made active
    publication = None
    if services.settings.check_pubkey:
        publication = publications_of(ask(services, [key]))[selector]
    _refuse(why_not_activate(stored, publication))
    services.key_store.set_state(domain, selector, "active", int(time.time()))
    click.echo(f"{selector} of {domain} is active")
    for other in preferred_selectors(services.key_store.listing(domain).keys):
        if other != selector:
            click.echo(
                f"{other} stands by until `mailman arc keys retire {domain} {other}`"
            )
    click.echo(harmless(_who_uses(services.configuration, domain)))


@keys.command()
@domain_argument
@selector_argument
def retire(domain: str, selector: str) -> None:
    """Never seal with a key again.

    Refused if it is the only one to seal with.  Its record must stay in the DNS
    for a while, for mail that is verified late.
    """
    services = usable_services()
    _check_user(services)
    stored = _turned_over(_find(services, domain, selector))
    of_domain = services.key_store.listing(domain).keys
    publications = None
    if services.settings.check_pubkey:
        keys_there = [ListedKey.of_store(each) for each in of_domain]
        publications = publications_of(ask(services, keys_there))
    _refuse(why_not_retire(stored, of_domain, publications))
    now = int(time.time())
    retired = services.key_store.set_state(domain, selector, "retired", now)
    click.echo(f"{selector} of {domain} is retired")
    until = iso_time(needed_until(retired))
    if until is None:
        click.echo("it has never sealed: its record is not needed in the DNS")
    else:
        day = day_of(until)
        click.echo(f"leave its record in the DNS until {day}, then take it out")


@keys.command("list")
@click.option(
    "--check", "-c", "is_checked", is_flag=True, help="Ask the DNS for each key."
)
@with_output
@click.pass_context
def list_(ctx: click.Context, is_checked: bool, form: str, outfp: IO[str]) -> None:
    """Show all keys, how far they have come, and whether the DNS shows them.

    Of the DNS only what is remembered is shown, unless it is asked with --check.
    The exit status is 1 when a key cannot be used.
    """
    services = usable_services()
    listed, problems = list_keys(services)
    told = []
    found = ask(services, listed) if is_checked else {}
    for key in listed:
        try:
            signing_key = services.keys.get(key.path)
        except KeyFileError as error:
            signing_key = None
            problems.append(str(error))
        told.append(tell_key(services, key, signing_key) | tell_found(found.get(key)))
    if form == "json":
        write_json(told, outfp)
    elif told:
        write_lines(map(list_line, told), outfp)
    else:
        write_lines(["No keys: `mailman arc keys new` makes one"], outfp)
    _say(*problems)
    if problems:
        ctx.exit(1)


COMMANDS = (keys,)


# Finding keys


def _find(services: Services, domain: str, selector: str) -> ListedKey:
    listed, problems = list_keys(services, domain)
    for key in listed:
        if key.selector == selector:
            return key
    _say(*problems)  # one of them may be about this key
    raise click.UsageError(f"No such key: {selector} of {domain}")


def _turned_over(key: ListedKey) -> StoredKey:
    if key.stored is None:
        raise click.ClickException(
            f"the key {key.selector} of {key.domain} is named in arc.cfg: it is active "
            "as long as it stands there"
        )
    return key.stored


def _needs_record(key: ListedKey, now: int) -> bool:
    if key.stored is None or key.stored.state != "retired":
        return True
    return now < (needed_until(key.stored) or 0)


# Refusing and telling


def _check_user(services: Services) -> None:
    """Refuse to make files that the runners could not read or change."""
    owner = services.data_dir.stat().st_uid
    if owner != os.geteuid():
        raise click.ClickException(
            f"Mailman's files belong to {user_name(owner)}, and Mailman could not use "
            f"those that {user_name(os.geteuid())} makes: run this as "
            f"{user_name(owner)}"
        )


def _refuse(why: str | None) -> None:
    if why is not None:
        raise click.ClickException(why)


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(harmless(line), err=True)


def _write_record(
    services: Services,
    key: ListedKey,
    form: str,
    outfp: IO[str],
    tags: dict[str, Any],
) -> None:
    value = record_value(services.keys.get(key.path).verifying_key, **tags)
    write_lines([show_record(key.record_name, value, RecordForm(form))], outfp)


def _who_uses(configuration: Configuration, domain: str) -> str:
    identities = configuration.identities.values()
    of_domain = [each for each in identities if each.domain == domain]
    managed = [each.name for each in of_domain if each.is_managed]
    if managed:
        return f"posts are sealed with active keys of {domain} by: {', '.join(managed)}"
    if of_domain or configuration.site.domain == domain:
        return (
            f"arc.cfg gives {domain} a selector and key_file: when this key is active, "
            "take both out, or it is not used"
        )
    where = "a section [identity.NAME]" if configuration.site.domain else "[arc]"
    return f"nobody in arc.cfg seals as {domain}: write 'domain: {domain}' into {where}"
