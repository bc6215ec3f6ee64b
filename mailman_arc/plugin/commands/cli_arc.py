"""`mailman arc`, as Mailman finds it."""

from __future__ import annotations

import click
from mailman.interfaces.command import ICLISubCommand
from zope.interface import implementer

from mailman_arc.plugin import wiring
from mailman_arc.plugin.commands import (
    arc_doctor,
    arc_export,
    arc_history,
    arc_import,
    arc_keys,
    arc_lists,
    arc_mail,
    arc_site,
    arc_trust,
)


__all__ = ["Arc"]


@click.group()
def arc() -> None:
    """Authenticate posts and seal them (ARC, RFC 8617).

    Exit status: 0 all is well, 1 something is wrong, 2 the command was not
    understood.
    """
    if not wiring.is_active():
        section = f"[plugin.{wiring.section()}] of mailman.cfg"
        raise click.ClickException(
            f"the plugin is disabled; set 'enabled: yes' in {section}"
        )


for _module in (
    arc_site,
    arc_doctor,
    arc_keys,
    arc_lists,
    arc_mail,
    arc_history,
    arc_export,
    arc_import,
    arc_trust,
):
    for _command in _module.COMMANDS:
        arc.add_command(_command)


@implementer(ICLISubCommand)
class Arc:
    """See `ICLISubCommand`."""

    name = "arc"
    command = arc
