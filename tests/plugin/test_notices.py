"""The site owner gets one mail when something has to be done about a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mailman.interfaces.listmanager import IListManager
from zope.component import getUtility

from mailman_arc.adapters.toldcauses import AGAIN_AFTER
from mailman_arc.plugin import wiring
from mailman_arc.plugin.notices import SUBJECT, remind_of_keys
from tests.house.dns_server import DnsServer
from tests.support.keys import key_record, rsa_key


NAME = "arc._domainkey.lists.example"
NOW = 1_800_000_000
DAY = 86400
YEAR = 365 * DAY
RECORD = key_record(rsa_key(1024, 2)).decode()  # that of `files`


@pytest.fixture
def mails(mailman, mlist) -> Callable[[], list[tuple[Any, dict[str, Any]]]]:
    """What waits to be sent, and no more after that."""
    queue = mailman.switchboards["virgin"]

    def take() -> list[tuple[Any, dict[str, Any]]]:
        found = []
        for name in queue.files:
            found.append(queue.dequeue(name))
            queue.finish(name)
        return found

    take()
    return take


@pytest.fixture
def dns(install):
    """A name server that shows the key; the plugin asks it."""
    with DnsServer({NAME: RECORD}) as server:
        install(
            test_keys="", nameservers=server.address, nameserver_port=str(server.port)
        )
        yield server


def remind(now: int = NOW) -> None:
    remind_of_keys(wiring.services(), now)


def restart(install, dns, **changes: str) -> None:
    """Nothing is remembered but what is on the disk."""
    install(
        test_keys="",
        nameservers=dns.address,
        nameserver_port=str(dns.port),
        **changes,
    )


def test_of_a_key_in_order_there_is_no_mail(dns, mails):
    remind()

    assert mails() == []


def test_a_key_that_the_dns_does_not_show_is_told_of_once_a_week(dns, mails, install):
    dns.zone = {}

    remind()
    remind(NOW + DAY)
    restart(install, dns)
    remind(NOW + 2 * DAY)

    [(mail, data)] = mails()
    assert (mail["From"], mail["To"]) == ("owner@lists.example", "owner@lists.example")
    assert data["recipients"] == {"owner@lists.example"}
    assert mail["Subject"] == SUBJECT
    text = " ".join(mail.get_payload().split())
    assert f"* posts are not sealed: the DNS does not show the key at {NAME}" in text
    assert "notify_site_owner: no" in text

    remind(NOW + AGAIN_AFTER)
    assert len(mails()) == 1


def test_what_is_new_is_told_of_at_once_and_by_itself(dns, mails, install, tmp_path):
    dns.zone = {}
    remind()
    mails()

    restart(install, dns, key_file=str(tmp_path / "gone.pem"))
    remind(NOW + DAY)

    [(mail, _)] = mails()
    assert "cannot read key file" in mail.get_payload()
    assert "the DNS does not show" not in mail.get_payload()


def test_a_key_that_is_a_year_old_is_told_of(install, mails):
    services = install(selector="", key_file="", check_pubkey="no")
    services.key_store.new("lists.example", "k1", NOW, key_type="ed25519")
    services.key_store.set_state("lists.example", "k1", "active", NOW)

    remind(NOW + YEAR)
    assert mails() == []

    remind(NOW + YEAR + 1)
    [(mail, _)] = mails()
    assert "it is time for a new one" in " ".join(mail.get_payload().split())


def test_a_site_can_do_without(dns, mails, install):
    dns.zone = {}
    restart(install, dns, notify_site_owner="no")

    remind()

    assert mails() == []


def test_what_cannot_be_remembered_is_not_mailed_each_time(dns, mails, tmp_path, log):
    dns.zone = {}
    (tmp_path / "arc").mkdir()
    (tmp_path / "arc/.told.json.lock").mkdir()

    remind()

    assert mails() == []
    assert "ERROR the site owner is not told of keys" in log()[-1]


def test_without_lists_there_is_nobody_to_send(dns, mails, monkeypatch):
    dns.zone = {}
    monkeypatch.setattr(type(getUtility(IListManager)), "name_components", [])

    remind()

    assert mails() == []
