"""`mailman arc lists` and `settings`: what holds for mailing lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import IO, Any

import click
from mailman.interfaces.listmanager import IListManager
from zope.component import getUtility

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin.commands.arc_base import (
    find_list,
    usable_services,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.plugin.rest.values import OF_LISTS, all_to_json
from mailman_arc.policy.configuration import Configuration, ListConfiguration
from mailman_arc.policy.settings import Scope, SettingError, find_setting


@click.command()
@click.option(
    "--domain",
    "-d",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="Only lists of this mail domain; may be given several times.",
)
@with_output
def lists(domains: tuple[str, ...], form: str, outfp: IO[str]) -> None:
    """Show for each list what is done, who seals, and where that was set.

    As text, what is as it is by default is left out.
    """
    services = usable_services()
    found = [
        each
        for each in getUtility(IListManager).mailing_lists
        if not domains or each.mail_host in domains
    ]
    own = _own_values(services.list_settings.all) if found else {}
    told = [
        (each, services.configuration.for_list(each.mail_host, own.get(each.list_id)))
        for each in sorted(found, key=attrgetter("list_id"))
    ]
    if form == "json":
        write_json([_told(*each) for each in told], outfp)
    elif not told:
        write_lines(["No matching mailing lists found"], outfp)
    else:
        write_lines((line for each in told for line in _list_lines(*each)), outfp)


@click.command()
@click.argument("listspec")
@click.argument("changes", metavar="[NAME=VALUE]...", nargs=-1)
@click.option(
    "--unset",
    "-u",
    "unset",
    multiple=True,
    metavar="NAME",
    help="Let the list inherit this setting again; may be given several times.",
)
@with_output
def settings(
    listspec: str,
    changes: tuple[str, ...],
    unset: tuple[str, ...],
    form: str,
    outfp: IO[str],
) -> None:
    """Show the settings of a list and where they come from, or change its own.

    LISTSPEC is the list's address or list-id.  All changes are made, or, when one
    of them cannot be, none.
    """
    services = usable_services()
    mlist = find_list(listspec)
    wanted = _read_changes(services.configuration, mlist.mail_host, changes, unset)
    store = services.list_settings
    if wanted:
        _own_values(lambda: store.change(mlist.list_id, wanted))
    own = _own_values(lambda: store.values(mlist.list_id))
    found = services.configuration.for_list(mlist.mail_host, own)
    if form == "json":
        write_json(_told(mlist, found), outfp)
    else:
        write_lines(_setting_lines(found, with_help=not wanted), outfp)


COMMANDS = (lists, settings)


def _own_values(step: Any) -> Any:
    try:
        return step()
    except StoreError as error:
        raise click.ClickException(str(error)) from error


def _read_changes(
    configuration: Configuration,
    mail_host: str,
    changes: Iterable[str],
    unset: Iterable[str],
) -> dict[str, str | None]:
    """What is to be kept, by name; an error of usage unless all of it can be."""
    wanted: dict[str, str | None] = {}
    problems = []
    for change in (*changes, *unset):
        name, equals, text = change.partition("=")
        is_unset = change in unset
        if not equals and not is_unset:
            problems.append(f"{change}: give NAME=VALUE, or --unset NAME")
            continue
        try:
            setting = find_setting(name, Scope.LIST)
            if setting.name in wanted:
                raise SettingError(name, "is given twice")
            value = None
            if not is_unset:
                parsed = configuration.parse_own(mail_host, name, text)
                value = setting.kind.show(parsed)
            wanted[setting.name] = value
        except SettingError as error:
            problems.append(str(error))
    if problems:
        raise click.UsageError("\n".join(problems))
    return wanted


def _told(mlist: Any, found: ListConfiguration) -> dict[str, object]:
    return {
        "list_id": mlist.list_id,
        "fqdn_listname": mlist.fqdn_listname,
        "identity": found.identity.name if found.identity else "",
        "settings": all_to_json(found.settings),
        "origins": {name: str(origin) for name, origin in found.origins.items()},
        "problems": [str(each) for each in found.problems],
    }


def _list_lines(mlist: Any, found: ListConfiguration) -> Iterator[str]:
    identity = found.identity
    who = f"{identity.name} ({identity.domain})" if identity else "nobody"
    yield f"{mlist.fqdn_listname}: mode {found.settings.mode}, sealed by {who}"
    yield from _values(found, only_set=True)
    yield from _problems(found.problems)


def _setting_lines(found: ListConfiguration, *, with_help: bool) -> Iterator[str]:
    helps = {each.name: each.help for each in OF_LISTS} if with_help else {}
    yield from _values(found, helps=helps)
    yield from _problems(found.problems)


def _values(
    found: ListConfiguration,
    *,
    only_set: bool = False,
    helps: Mapping[str, str] | None = None,
) -> Iterator[str]:
    for setting in OF_LISTS:
        origin = found.origins[setting.name]
        if only_set and origin.level == "default":
            continue
        value = setting.kind.show(getattr(found.settings, setting.name))
        yield f"  {setting.name}: {value or 'none'} ({origin})"
        if helps:
            yield f"      {helps[setting.name]}"


def _problems(problems: Iterable[SettingError]) -> Iterator[str]:
    for each in problems:
        yield f"  passed over: {each}"
