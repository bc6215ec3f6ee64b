"""What the administrators of members have to do so that our seals count with them.

A receiver believes a seal only if it trusts its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one product is told to trust sealing domains: where, what, and what for."""

    product: str
    where: str
    text: str
    remark: str = ""


def trust_kit(domains: Sequence[str]) -> list[Recipe]:
    """The recipes for these sealing domains (d=, as A-labels), for all products."""
    return [
        Recipe(product, where, write(domains), remark)
        for product, where, write, remark in _RECIPES
    ]


def show_trust_kit(domains: Sequence[str]) -> str:
    """A text to be sent to members' administrators as it is."""
    names = " and ".join(domains)
    pieces = [
        f"Mail of our mailing lists is sealed (ARC, RFC 8617) by {names}.\n"
        "If you trust this seal, members of yours get posts whose DKIM signature the\n"
        "list had to break, for instance with a footer, although DMARC would have\n"
        "them refused."
    ]
    for recipe in trust_kit(domains):
        lines = [f"{recipe.product}: {recipe.where}", ""]
        lines += [f"    {line}" for line in recipe.text.split("\n")]
        if recipe.remark:
            lines += ["", recipe.remark]
        pieces.append("\n".join(lines))
    return "\n\n".join(pieces) + "\n"


def _quoted(domains: Sequence[str]) -> str:
    return ", ".join(f'"{domain}"' for domain in domains)


def _microsoft(domains: Sequence[str]) -> str:
    return (
        "$sealers = @(Get-ArcConfig | select -Expand ArcTrustedSealers)\n"
        f"$sealers += {_quoted(domains)}\n"
        "Set-ArcConfig -Identity Default -ArcTrustedSealers $sealers"
    )


def _rspamd(domains: Sequence[str]) -> str:
    return f"whitelisted_signers_map = [{_quoted(domains)}];\nadjust_dmarc = true;"


def _authentication_milter(domains: Sequence[str]) -> str:
    return (
        '"ARC": {\n'
        f'    "trusted_domains": [{_quoted(domains)}]\n'
        "},\n"
        '"DMARC": {\n'
        '    "use_arc": 1\n'
        "}"
    )


def _opendmarc(domains: Sequence[str]) -> str:
    return f"DomainWhitelist {','.join(domains)}"


def _plain(domains: Sequence[str]) -> str:
    return "\n".join(domains)


_RECIPES: tuple[tuple[str, str, Callable[[Sequence[str]], str], str], ...] = (
    (
        "Microsoft 365",
        "in Exchange Online PowerShell",
        _microsoft,
        "Then Authentication-Results says arc=pass with oda=1, and compauth=pass\n"
        "reason=130 where the seal made up for DMARC.",
    ),
    ("rspamd", "in local.d/arc.conf", _rspamd, ""),
    (
        "Authentication Milter",
        "in authentication_milter.json, among the handlers",
        _authentication_milter,
        "",
    ),
    (
        "OpenDMARC",
        "in opendmarc.conf",
        _opendmarc,
        "It counts only if every sealer in the chain is listed, and if OpenARC in\n"
        "front writes the chain down (FinalReceiver yes).",
    ),
    (
        "MDaemon",
        "under Security, Security Manager, Sender Authentication, ARC Settings,\n"
        "in the list Trusted ARC Sealers",
        _plain,
        "",
    ),
)
