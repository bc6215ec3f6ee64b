"""What the plugin works with: services made for one test, and a Mailman.

Mailman's configuration is a global of the process, so there is one Mailman for
the whole session; it listens nowhere, and its runners are not started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mailman_arc.mailauth.answers import TxtRecords
from mailman_arc.plugin import wiring
from mailman_arc.plugin.wiring import Services, _Wiring
from mailman_arc.policy.configuration import parse_configuration
from tests.house.sink import Sink
from tests.support.keys import rsa_pem
from tests.support.mail import whole_zone


LOGGER = "mailman.plugins.arc"
SITE = """\
[mailman]
layout: here
site_owner: owner@lists.example

[paths.here]
var_dir: {root}/var
log_dir: {root}/log
etc_dir: {root}/etc

[database]
url: sqlite:///{root}/mailman.db

[mta]
incoming: mailman.mta.null.NullMTA
outgoing: mailman_arc.plugin.delivery.deliver
smtp_host: 127.0.0.1
smtp_port: {port}
max_recipients: 2

[plugin.arc]
class: mailman_arc.plugin.hooks.ArcPlugin
enabled: yes
component_package: mailman_arc.plugin
configuration: {root}/arc.cfg

[runner.lmtp]
class: mailman_arc.plugin.door.ArcLMTPRunner
"""


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A directory with a key, and a zone that publishes it."""
    root = tmp_path_factory.mktemp("arc")
    key = root / "arc.pem"
    key.touch(mode=0o600)
    key.write_bytes(rsa_pem(1024, 2))  # that of tests.support.mail.mailing_list
    lines = []
    for name, answer in whole_zone().items():
        assert isinstance(answer, TxtRecords)
        text = answer.texts[0].decode()
        pieces = [text[start : start + 200] for start in range(0, len(text), 200)]
        quoted = " ".join(f'"{piece}"' for piece in pieces)
        lines.append(f"{name}. 300 IN TXT {quoted}\n")
    (root / "test.zone").write_text("".join(lines))
    return root


@pytest.fixture
def settings(files) -> dict[str, str]:
    """Values for arc.cfg with which posts are sealed."""
    return {
        "domain": "lists.example",
        "selector": "arc",
        "key_file": str(files / "arc.pem"),
        "test_keys": str(files / "test.zone"),
        "trusted_authserv_ids": "mx.lists.example",
    }


Install = Callable[..., Services]


def set_state(to: _Wiring) -> None:
    """Put the wiring of this process into this state."""
    for each in fields(_Wiring):
        setattr(wiring._wiring, each.name, getattr(to, each.name))


@pytest.fixture
def install(settings, tmp_path) -> Iterator[Install]:
    """Enable the plugin with these settings; given None, without any."""
    state = wiring._wiring
    before = replace(state)

    def enable(
        sections: Mapping[str, Mapping[str, str]] | None = None, **changes: str
    ) -> Services:
        configuration = parse_configuration(
            {"arc": {**settings, **changes}, **(sections or {})}
        )
        set_state(_Wiring("arc", Services(configuration, tmp_path)))
        return state.services

    yield enable
    set_state(before)


@pytest.fixture
def services(install) -> Services:
    """The plugin is enabled and everything is in order."""
    return install()


@pytest.fixture
def unusable(install) -> Callable[[], None]:
    """Call it, and the plugin is enabled, but its settings cannot be used."""
    return lambda: set_state(_Wiring("arc", path=Path("/nonexistent"), stamp=None))


@pytest.fixture
def disabled() -> Iterator[None]:
    """The plugin is not enabled."""
    before = replace(wiring._wiring)
    set_state(_Wiring())
    yield
    set_state(before)


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


@pytest.fixture(scope="session")
def mailman(files, sink) -> Any:
    """Mailman's configuration, with the plugin enabled."""
    from mailman.config import config
    from mailman.core.initialize import initialize

    path = files / "mailman.cfg"
    path.write_text(SITE.format(root=files, port=sink.port))
    (files / "arc.cfg").write_text(
        "[arc]\ndomain: lists.example\nselector: arc\n"
        f"key_file: {files}/arc.pem\ntest_keys: {files}/test.zone\n"
    )
    initialize(str(path), propagate_logs=True)
    return config


@pytest.fixture(scope="session")
def mlist(mailman) -> Any:
    """A list whose posts get a footer."""
    from mailman.app.lifecycle import create_list
    from mailman.database.transaction import transaction
    from mailman.interfaces.domain import IDomainManager
    from zope.component import getUtility

    with transaction():
        getUtility(IDomainManager).add("lists.example")
        return create_list("list@lists.example")


@pytest.fixture(scope="module")
def application(mailman, mlist) -> Iterator[Callable[..., Any]]:
    """Mailman's, on three lists.

    Left out is its transaction, at whose end the lists of other tests would be
    cut off from the database.
    """
    from mailman.app.lifecycle import create_list, remove_list
    from mailman.database.transaction import transaction
    from mailman.interfaces.domain import IDomainManager
    from mailman.rest.wsgiapp import RootedAPI, make_application
    from zope.component import getUtility

    with transaction():
        getUtility(IDomainManager).add("press.example")
        made = [create_list(f"{name}@press.example") for name in ("news", "talk")]
    whole = make_application()
    yield lambda environ, start: super(RootedAPI, whole).__call__(environ, start)
    with transaction():
        for each in made:
            remove_list(each)
        getUtility(IDomainManager).remove("press.example")


class Log(logging.Handler):
    """What the plugin has logged: level and text of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __call__(self) -> list[str]:
        return [f"{each.levelname} {each.getMessage()}" for each in self.records]


@pytest.fixture
def log() -> Iterator[Log]:
    logger, handler = logging.getLogger(LOGGER), Log()
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)
