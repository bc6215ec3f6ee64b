"""A Mailman plugin that breaks functions of ours at run time, for tests only.

What is broken stands in the file that its `configuration:` names, a dotted
name on each line; it is read again on every call, so that one Mailman serves
all tests.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from mailman.config import config
from mailman.interfaces.plugin import IPlugin
from zope.interface import implementer


TARGETS = (
    "mailman_arc.plugin.door.names_to_look_up",
    "mailman_arc.plugin.door.write_verdict",
    "mailman_arc.plugin.handlers.authenticate.take_voucher",
    "mailman_arc.plugin.handlers.authenticate.judge",
    "mailman_arc.plugin.sealing.needs_encoding",
    "mailman_arc.plugin.sealing.to_octets",
    "mailman_arc.plugin.sealing.seal_octets",
    "mailman_arc.plugin.sealing.parse_arrival",
    "mailman_arc.plugin.sealing.CopySealer",
    "mailman_arc.plugin.delivery._Run.log",
    "mailman_arc.plugin.delivery._deliver_through",
)


class Bug(Exception):
    """Something nobody has thought of."""


@implementer(IPlugin)
class Saboteur:
    """See `IPlugin`."""

    name = "saboteur"
    resource = None

    def pre_hook(self) -> None:
        """Not yet: our modules must be imported by Mailman itself."""

    def post_hook(self) -> None:
        """Put a trap before each target."""
        orders = Path(getattr(config, f"plugin.{self.name}").configuration)
        for target in TARGETS:
            _set_trap(target, orders)


def _set_trap(target: str, orders: Path) -> None:
    path, _, name = target.rpartition(".")
    owner: Any
    try:
        owner = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, kind = path.rpartition(".")
        owner = getattr(importlib.import_module(module), kind)
    original = getattr(owner, name)

    def trap(*args: Any, **kwargs: Any) -> Any:
        if target in orders.read_text().split():
            raise Bug(target)
        return original(*args, **kwargs)

    setattr(owner, name, trap)
