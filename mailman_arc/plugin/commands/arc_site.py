"""`mailman arc status`, `check` and `identities`: how the site is set up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
from mailman.config import config

from mailman_arc.plugin import wiring
from mailman_arc.plugin.commands.arc_base import (
    usable_services,
    user_name,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.plugin.findings import (
    find_about_identities,
    find_all,
    find_in_database,
    find_in_mailman_cfg,
    find_where_posts_are_judged,
    show_key,
)
from mailman_arc.plugin.release import installed_version
from mailman_arc.plugin.rest.values import to_json
from mailman_arc.plugin.siteconfig import (
    ConfigurationError,
    configuration_path,
    line_of,
    problems_of,
)
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.configuration import Configuration
from mailman_arc.policy.diagnosis import Finding, Severity
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.settings import SETTINGS, Scope, Setting


_SECRETIVE = frozenset(("database_url",))  # may have a password in it


@click.command()
@with_output
@click.pass_context
def status(ctx: click.Context, form: str, outfp: IO[str]) -> None:
    """Show what the plugin does, and what keeps it from its work.

    The exit status is 1 when something has to be mended.
    """
    services = usable_services()
    found = [*find_all(services), *find_in_database(services)]
    shown = dict(_settings_in_effect(services.configuration))
    if form == "json":
        told = {
            "version": installed_version(),
            "enabled": True,
            "user": user_name(os.geteuid()),
            "findings": [
                {"severity": each.severity, "text": each.text} for each in found
            ],
            "settings": {
                each.name: to_json(each, value) for each, value in shown.items()
            },
        }
        write_json(told, outfp)
    else:
        write_lines(_status_lines(found, shown), outfp)
    _exit_by(ctx, found)


@click.command()
@with_output
@click.pass_context
def check(ctx: click.Context, form: str, outfp: IO[str]) -> None:
    """Look for errors in arc.cfg and mailman.cfg, all of them, with their lines.

    Run it as the user that Mailman runs as, because that one has to read the
    keys.  The exit status is 1 when there are errors.
    """
    found = [*_check_files()]
    services = wiring.services()
    if services is not None and not found:
        found += [*find_about_identities(services), *find_in_database(services)]
    found += [*find_in_mailman_cfg(), find_where_posts_are_judged(), *_check_user()]
    found = [each for each in found if each.severity is not Severity.GOOD]
    user = user_name(os.geteuid())
    if form == "json":
        problems = [
            {"severity": each.severity, "text": _placed(each)} for each in found
        ]
        write_json({"user": user, "problems": problems}, outfp)
    else:
        lines = [f"{each.severity}: {_placed(each)}" for each in found]
        count = sum(each.severity is Severity.ERROR for each in found)
        outcome = {0: "no errors", 1: "1 error"}.get(count, f"{count} errors")
        write_lines([*lines, f"checked as user {user}: {outcome}"], outfp)
    _exit_by(ctx, found)


@click.command()
@with_output
@click.pass_context
def identities(ctx: click.Context, form: str, outfp: IO[str]) -> None:
    """Show who can seal, and with which key at this moment.

    The exit status is 1 when one of them cannot.
    """
    services = usable_services()
    told = [*_identities(services)]
    if form == "json":
        write_json(told, outfp)
    elif not told:
        missing = ", ".join(services.configuration.missing_for_sealing)
        write_lines([f"No identities: arc.cfg has no {missing}"], outfp)
    else:
        write_lines(map(_identity_line, told), outfp)
        write_lines((text for each in told for text in each["problems"]), outfp)
    if not all(each["can_seal"] for each in told):
        ctx.exit(1)


COMMANDS = (status, check, identities)


def _status_lines(found: list[Finding], settings: dict[Setting, Any]) -> Iterator[str]:
    yield f"mailman-arc {installed_version()}, enabled"
    yield ""
    for each in found:
        yield f"{each.severity}: {each.text}"
    yield ""
    yield "Settings of the site:"
    for setting, value in settings.items():
        is_default = value == setting.default
        shown = setting.kind.show(value) or "none"
        yield f"  {setting.name}: {shown}{' (default)' if is_default else ''}"


def _settings_in_effect(configuration: Configuration) -> Iterator[tuple[Setting, Any]]:
    for setting in SETTINGS:
        if setting.scope is Scope.SITE:
            value = getattr(configuration.site, setting.name)
        else:
            value = configuration.for_all_lists.get(setting.name, setting.default)
        is_hidden = setting.name in _SECRETIVE and value != setting.default
        yield setting, "(not shown)" if is_hidden else value


def _check_files() -> Iterator[Finding]:
    try:
        path = configuration_path(
            getattr(config, f"plugin.{wiring.section()}").configuration
        )
        text = path.read_text(encoding="utf-8-sig")
    except ConfigurationError as error:
        yield Finding(Severity.ERROR, str(error))
    except (OSError, ValueError) as error:
        yield Finding(Severity.ERROR, f"arc.cfg cannot be read: {error}")
    else:
        for problem in problems_of(text, str(path)):
            yield Finding(Severity.ERROR, problem)


def _check_user() -> Iterator[Finding]:
    owner = Path(config.VAR_DIR).stat().st_uid
    if owner != os.geteuid():
        yield Finding(
            Severity.WARNING,
            f"Mailman's files belong to {user_name(owner)}; run the check as that "
            "user, who may not be able to read what you can",
        )


def _placed(finding: Finding) -> str:
    """The text of a finding, with its line in mailman.cfg if it has one."""
    if not finding.section or config.filename is None:
        return finding.text
    path = Path(config.filename)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return finding.text
    return f"{path}:{line_of(text, finding.section, finding.name)}: {finding.text}"


def _identities(services: Services) -> Iterator[dict[str, Any]]:
    for identity in services.configuration.identities.values():
        chosen = services.sealing_keys.choose(identity, int(time.time()))
        told = {
            "name": identity.name,
            "domain": identity.domain,
            "can_seal": not isinstance(chosen.identity, Unsealed),
            "selector": identity.selector,
            "key": "",
            "problems": [*chosen.errors, *chosen.warnings],
        }
        if not isinstance(chosen.identity, Unsealed):
            told["selector"] = chosen.identity.selector
            told["key"] = show_key(chosen.identity.key)
        yield told


def _identity_line(told: dict[str, Any]) -> str:
    key = f" ({told['key']})" if told["key"] else ""
    selector = told["selector"] or "none"
    outcome = "can seal" if told["can_seal"] else "CANNOT SEAL"
    return f"{told['name']}: {told['domain']}, selector {selector}{key}: {outcome}"


def _exit_by(ctx: click.Context, found: list[Finding]) -> None:
    if any(each.severity is Severity.ERROR for each in found):
        ctx.exit(1)
