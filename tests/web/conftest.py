"""A mailman-web in memory, its people, and a Mailman to ask."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.fakecore import FakeCore, running


if TYPE_CHECKING:
    from django.test import Client


collect_ignore_glob = []
if importlib.util.find_spec("postorius") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    # Once: Django can have one set of settings, and the tests import what needs them.
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.web.site_settings"
    django.setup()

PEOPLE = ("olivia", "mo", "member")  # an owner, a moderator, and neither


@pytest.fixture(scope="session", autouse=True)
def _site() -> None:
    """A database with people."""
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment()
    call_command("migrate", verbosity=0)
    _make_people()


def _make_people() -> None:
    from allauth.account.models import EmailAddress
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    for name in PEOPLE:
        address = f"{name}@example.org"
        user = users.create_user(name, address)
        EmailAddress.objects.create(
            user=user, email=address, verified=True, primary=True
        )
    users.create_superuser("admin", "admin@example.org")


@pytest.fixture
def core() -> Iterator[FakeCore]:
    """A Mailman; tests change what it knows."""
    from django.test import override_settings

    with (
        running(FakeCore()) as answering,
        override_settings(MAILMAN_REST_API_URL=answering.url),
    ):
        yield answering


@pytest.fixture
def visit(core: FakeCore) -> Callable[..., Client]:
    """A browser of somebody; of nobody without a name."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    def log_in(name: str = "") -> Client:
        client: Any = Client()
        if name:
            client.force_login(
                get_user_model().objects.get(username=name),
                backend="django.contrib.auth.backends.ModelBackend",
            )
        return client

    return log_in


@pytest.fixture
def settings_at() -> Callable[..., Any]:
    """Another address of Mailman's REST API."""
    from django.test import override_settings

    return lambda url: override_settings(MAILMAN_REST_API_URL=url)
