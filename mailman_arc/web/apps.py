"""The app, and how its pages come to be among those of Postorius."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from mailman_arc.web.checks import check_installation
from mailman_arc.web.mounting import add_to_postorius


class ArcConfig(AppConfig):
    """`"mailman_arc.web"` in INSTALLED_APPS."""

    name = "mailman_arc.web"
    label = "mailman_arc_web"
    verbose_name = _("Message authentication")
    obstacle = ""  # to adding our pages

    def ready(self) -> None:
        """Add our pages to those of Postorius, so that no urls.py has to change."""
        self.obstacle = add_to_postorius()
        register(check_installation)
