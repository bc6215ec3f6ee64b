from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.urls import include, path

from mailman_arc.web import mounting
from mailman_arc.web.checks import check_installation


# The addresses of a Postorius to which nothing could be added.
urlpatterns = [path("elsewhere/", include([]))]


class WithIncluded:
    """The same, with our addresses included by hand."""

    urlpatterns = (path("postorius/", include("mailman_arc.web.urls")),)


def test_an_installation_that_works_has_nothing_said_of_it():
    assert check_installation() == []


def test_a_postorius_to_which_nothing_can_be_added_is_an_error_with_a_way_out(
    monkeypatch,
):
    from django.test import override_settings

    config = apps.get_app_config("mailman_arc_web")
    monkeypatch.setattr(config, "obstacle", "ImportError: no list_patterns")
    with override_settings(ROOT_URLCONF=__name__):
        [found] = check_installation()
    assert found.id == "mailman_arc.E001"
    assert "(ImportError: no list_patterns)" in found.msg
    assert 'include("mailman_arc.web.urls")' in found.hint


def test_the_way_out_leads_out():
    from django.test import override_settings

    with override_settings(ROOT_URLCONF=WithIncluded):
        assert check_installation() == []


def test_an_app_behind_postorius_is_told_that_it_cannot_be_seen(monkeypatch):
    names = ("django.contrib.auth", "hyperkitty", "postorius", "mailman_arc.web")
    configs = [SimpleNamespace(name=each) for each in names]
    monkeypatch.setattr(apps, "get_app_configs", lambda: configs)
    [found] = check_installation()
    assert found.id == "mailman_arc.W001"
    assert "before postorius and hyperkitty" in found.hint


@pytest.mark.parametrize("missing", ["list_patterns", "urlpatterns"])
def test_a_postorius_that_keeps_its_addresses_otherwise_is_an_obstacle(
    missing, monkeypatch
):
    from postorius import urls

    for name in ("list_patterns", "urlpatterns"):
        monkeypatch.setattr(urls, name, list(getattr(urls, name)))
    monkeypatch.delattr(urls, missing)
    assert missing in mounting.add_to_postorius()
