"""What `mailman-web check` says when the pages cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning as CheckWarning
from django.urls import NoReverseMatch, reverse


def check_installation(*_given: Any, **_options: Any) -> Sequence[CheckMessage]:
    """Look for what keeps our pages from being seen."""
    config = apps.get_app_config("mailman_arc_web")
    names = [each.name for each in apps.get_app_configs()]
    return [*_check_addresses(config.obstacle), *_check_order(names)]


def _check_addresses(obstacle: str) -> Iterator[CheckMessage]:
    try:
        reverse("arc_overview", args=["list.example.org"])
        reverse("arc_keys")
    except NoReverseMatch:
        because = f" ({obstacle})" if obstacle else ""
        yield Error(
            f"The pages of mailman_arc could not be added to Postorius{because}.",
            hint=(
                "Is postorius in INSTALLED_APPS? If this Postorius keeps its "
                "addresses in another way, write into your urls.py, with the prefix "
                'that Postorius has there: path("postorius/", '
                'include("mailman_arc.web.urls")).'
            ),
            id="mailman_arc.E001",
        )


def _check_order(names: Sequence[str]) -> Iterator[CheckMessage]:
    before = names[: names.index("mailman_arc.web")]
    wrong = [each for each in ("postorius", "hyperkitty") if each in before]
    if wrong:
        yield CheckWarning(
            "The tab and the panels of mailman_arc cannot be seen.",
            hint=(
                f'Put "mailman_arc.web" before {" and ".join(wrong)} in INSTALLED_APPS.'
            ),
            id="mailman_arc.W001",
        )
