"""`mailman arc doctor`: each fault, made by hand, is named; a healthy site has none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mailman.interfaces.mailinglist import DMARCMitigateAction

from mailman_arc.adapters.keyfiles import read_signing_key
from mailman_arc.plugin import doctor as plugin_doctor
from mailman_arc.plugin.commands.cli_arc import arc
from mailman_arc.plugin.doctor import examine
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.diagnosis import Severity
from tests.house.dns_server import DnsServer
from tests.plugin.conftest import Install
from tests.plugin.historyrows import arrived, left
from tests.support.keys import ed25519_key, ed25519_pem, key_record, rsa_key, rsa_pem


NAME = "arc._domainkey.lists.example"
HOST = "lists.example"
LIST_ID = "list.lists.example"
RECORD = key_record(rsa_key(2048)).decode()
ZONE = {
    NAME: RECORD,
    HOST: "v=spf1 mx -all",
    f"_dmarc.{HOST}": "v=DMARC1; p=reject",
}
POSTING = "default-posting-pipeline"


@dataclass
class Site:
    """A healthy site, in which a fault can be made."""

    root: Path
    mailman: Any
    mlist: Any
    dns: DnsServer
    install: Install
    patch: pytest.MonkeyPatch
    settings: dict[str, str] = field(default_factory=dict)  # for arc.cfg
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    pushed: list[str] = field(default_factory=list)

    @property
    def key(self) -> Path:
        return self.root / "arc.pem"

    def services(self) -> Services:
        return self.install(self.sections, **self.settings)

    def set(self, **settings: str) -> None:
        self.settings |= settings

    def publish(self, **records: Any) -> None:
        """Have other records at the key, the mail domain, or its DMARC policy."""
        names = {"key": NAME, "domain": HOST, "dmarc": f"_dmarc.{HOST}"}
        zone = {**ZONE, **{names[each]: text for each, text in records.items()}}
        self.dns.zone = {name: text for name, text in zone.items() if text}

    def use_key(self, pem: bytes, record: bytes) -> None:
        self.key.write_bytes(pem)
        self.publish(key=record.decode())

    def give_list(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            self.patch.setattr(self.mlist, name, value)

    def configure(self, text: str) -> None:
        """Add to mailman.cfg."""
        self.mailman.push(f"fault {len(self.pushed)}", text)
        self.pushed.append(f"fault {len(self.pushed)}")

    def reorder(self, change: Callable[[list[Any]], list[Any]]) -> None:
        pipeline = self.mailman.pipelines[POSTING]
        self.patch.setattr(pipeline, "_handlers", change(pipeline._handlers))


@pytest.fixture
def site(mailman, mlist, install, tmp_path, monkeypatch):
    key = tmp_path / "arc.pem"
    key.touch(mode=0o600)
    key.write_bytes(rsa_pem(2048))
    with DnsServer(ZONE) as dns:
        made = Site(tmp_path, mailman, mlist, dns, install, monkeypatch)
        made.set(key_file=str(key), test_keys="", nameservers=dns.address)
        made.set(nameserver_port=str(dns.port))
        yield made
    for each in reversed(made.pushed):
        mailman.pop(each)


def examined(site: Site) -> list[str]:
    """What is wrong, by severity and sentence."""
    services = site.services()
    return [
        f"{each.severity}: {each.text}"
        for each in examine(services, services.resolver)
        if each.severity is not Severity.GOOD
    ]


def test_a_healthy_site_has_no_faults(site):
    assert examined(site) == []


def make_world_readable(site: Site) -> None:
    site.key.chmod(0o644)


def own_arc(site: Site) -> None:
    (site.root / "own.pem").write_text("a key")
    site.configure(
        "[ARC]\nenabled: yes\nauthserv_id: a\ndomain: b\nselector: c\n"
        f"privkey: {site.root}/own.pem\n"
    )


def no_selector_nor_keys(site: Site) -> None:
    site.set(selector="", key_file="")


def old_key(site: Site) -> None:
    site.set(selector="", key_file="", key_directory=str(site.root / "keys"))
    store = site.services().key_store
    store.new(HOST, "old", 1_000_000_000)
    key = store.set_state(HOST, "old", "active", 1_000_000_000)
    record = key_record(read_signing_key(key.path)).decode()
    site.dns.zone = {**ZONE, f"old._domainkey.{HOST}": record}


def foreign_identity(site: Site) -> None:
    site.sections["identity.other"] = {
        "domain": "other.example",
        "selector": "arc",
        "key_file": str(site.key),
    }
    site.set(domain="", selector="", key_file="", authserv_id=HOST)
    site.dns.zone = {**ZONE, "arc._domainkey.other.example": RECORD}


def dead_dns(site: Site) -> None:
    site.dns.dead = True
    site.set(dns_timeout="0.1", dns_deadline="0.3")


def own_values(site: Site) -> None:
    site.services().list_settings.change("list.lists.example", {"mode": "gone"})


def read_only_database(site: Site) -> None:
    """The header of the file says that others may only read it."""
    database = site.services().storage.database
    database.open()
    database.close()
    with (site.root / "arc.db").open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")


def no_history(site: Site) -> None:
    # Of a list of which nothing was ever kept, nothing is looked for.
    site.services().storage.history.write([arrived(LIST_ID)])
    with closing(sqlite3.connect(site.root / "arc.db")) as connection:
        connection.execute("DROP TABLE arc_history")


def nothing_sealed(site: Site) -> None:
    for number in range(3):
        site.services().storage.history.write(
            [
                arrived(LIST_ID, number),
                left(LIST_ID, number, sealed=False, unsealed="proof failed"),
            ]
        )


def past_the_door(site: Site) -> None:
    rows = [arrived(LIST_ID, number, verdict="") for number in range(3)]
    site.services().storage.history.write(rows)


FAULTS: dict[str, tuple[Callable[[Site], object], str]] = {
    "no key file": (
        lambda site: site.set(key_file="/nonexistent"),
        "error: posts are not sealed: selector 'arc': cannot read key file",
    ),
    "a key that others can read": (
        make_world_readable,
        "chmod 0640 closes it",
    ),
    "no key in the file": (
        lambda site: site.key.write_text("x"),
        "there is no private key in PEM form in it",
    ),
    "no keys made here": (
        no_selector_nor_keys,
        "error: posts are not sealed: lists.example has no active key",
    ),
    "an old key": (
        old_key,
        "warning: the key old of lists.example has been in use since 2001-09-09: it",
    ),
    "nobody seals": (
        lambda site: site.set(domain="", authserv_id=HOST, selector="", key_file=""),
        "error: posts are not sealed: arc.cfg has no domain",
    ),
    "the key is not published": (
        lambda site: site.publish(key=""),
        f"(there is none); publish there, in one TXT record: {RECORD}",
    ),
    "another key is published": (
        lambda site: site.publish(key=key_record(rsa_key(2048, 1)).decode()),
        f"error: the DNS does not show the key at {NAME} (there is another one)",
    ),
    "the record has a slip": (
        lambda site: site.publish(key=RECORD.replace("p=", "p=?")),
        "(the record there cannot be used: key syntax error); publish there",
    ),
    "the key is revoked": (
        lambda site: site.publish(key="v=DKIM1; p="),
        "(it is revoked there); publish there",
    ),
    "the key is cut into records": (
        lambda site: site.publish(key=[RECORD[:250], RECORD[250:]]),
        f"warning: there are 2 TXT records at {NAME}",
    ),
    "the key is on trial": (
        lambda site: site.publish(key=f"{RECORD}; t=y"),
        "warning: the record at arc._domainkey.lists.example has the flag t=y",
    ),
    "a short key": (
        lambda site: site.use_key(rsa_pem(1024, 2), key_record(rsa_key(1024, 2))),
        "warning: the key of arc._domainkey.lists.example has 1024 bits only",
    ),
    "Ed25519": (
        lambda site: site.use_key(ed25519_pem(), key_record(ed25519_key())),
        "warning: the key is Ed25519, which most receivers of ARC cannot verify",
    ),
    "a selector that is too long": (
        lambda site: site.set(selector=".".join(["s" * 60] * 4)),
        "the name has more than 253 characters; take a shorter selector",
    ),
    "no SPF": (
        lambda site: site.publish(domain=""),
        "warning: lists.example has no SPF record; publish there",
    ),
    "no DMARC": (
        lambda site: site.publish(dmarc=""),
        "publish at _dmarc.lists.example one TXT record, such as: v=DMARC1; p=none",
    ),
    "a dead name server": (
        dead_dns,
        "those with a chain wait for 30m and are delivered without a seal",
    ),
    "a domain without an answer": (
        lambda site: site.dns.failing.add(f"_dmarc.{HOST}"),
        "warning: the DNS does not answer for _dmarc.lists.example (127.0.0.1 says "
        "SERVFAIL)",
    ),
    "a zone file in place of the DNS": (
        lambda site: site.set(test_keys=str(site.key.with_name("test.zone"))),
        "test.zone answers instead of the DNS, which is for tests",
    ),
    "Mailman's own ARC": (own_arc, "error: Mailman's own ARC is enabled too"),
    "nothing is sealed": (
        lambda site: site.configure("[mta]\noutgoing: mailman.mta.deliver.deliver\n"),
        "error: posts are not sealed: mailman.cfg needs 'outgoing: ",
    ),
    "no door": (
        lambda site: site.configure(
            "[runner.lmtp]\nclass: mailman.runners.lmtp.LMTPRunner\n"
        ),
        "warning: posts are judged late, in the pipeline",
    ),
    "everybody a peer": (
        lambda site: site.set(peer_list="127.0.0.1"),
        "warning: peer_list has this machine: unless the mail server on it tells",
    ),
    "no handler": (
        lambda site: site.reorder(lambda handlers: handlers[1:]),
        "error: posts are not sealed: the pipeline default-posting-pipeline (used by "
        "list@lists.example) does not have the handler arc-authenticate; [plugin.arc]",
    ),
    "a handler before ours": (
        lambda site: site.reorder(lambda handlers: [handlers[1], *handlers]),
        "warning: the pipeline default-posting-pipeline (used by list@lists.example) "
        "has other handlers before arc-authenticate",
    ),
    "a list with a pipeline of its own": (
        lambda site: site.give_list(posting_pipeline="virgin"),
        "error: posts are not sealed: the pipeline virgin (used by list@lists.example) "
        "does not have the handler arc-authenticate; give these lists",
    ),
    "a list with a pipeline that is gone": (
        lambda site: site.give_list(posting_pipeline="gone"),
        "error: posts are not sealed: the pipeline gone (used by list@lists.example)",
    ),
    "a list that wraps": (
        lambda site: site.give_list(
            dmarc_mitigate_action=DMARCMitigateAction.wrap_message
        ),
        "are not sealed for list@lists.example, because dmarc_mitigate_action is wrap",
    ),
    "a list without List-Id": (
        lambda site: site.give_list(include_rfc2369_headers=False),
        "posts of list@lists.example have neither List-Id nor List-Unsubscribe",
    ),
    "a list that nobody may seal for": (
        foreign_identity,
        "error: posts of list@lists.example are not sealed: no identity in arc.cfg",
    ),
    "a setting that counts no more": (
        own_values,
        "a setting of list@lists.example is passed over: mode: 'gone' is none of",
    ),
    "no database": (
        lambda site: site.set(database_url=f"sqlite:///{site.root}/no/such/arc.db"),
        "error: what lists have of their own cannot be used, and no history is kept: ",
    ),
    "a database that nobody can write to": (
        read_only_database,
        "no history is kept: database ",
    ),
    "a history that cannot be read": (
        no_history,
        "error: the history cannot be read: database ",
    ),
    "nothing was sealed": (
        nothing_sealed,
        "warning: of the last 3 posts of list@lists.example that left none was sealed: "
        "proof failed (3); `mailman arc history",
    ),
    "posts come in past the door": (
        past_the_door,
        "warning: 3 of the last 3 posts of list@lists.example came in past the door",
    ),
    "a damaged secret": (
        lambda site: (site.root / "arc.secret").write_bytes(b"short"),
        "holds 5 octets instead of 32; remove the file",
    ),
    "no directory for keys": (
        lambda site: (site.root / "arc").write_text("a file"),
        "/arc is missing; make it, for Mailman's user",
    ),
}

# The same mistake shows in more than one way.
WITH_OTHERS = {
    "the key is cut into records": 2,
    "a zone file in place of the DNS": 4,
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named_and_no_other(fault, said, site, request):
    if "zone" in request.node.callspec.id:
        (site.root / "test.zone").write_text("")
    fault(site)

    problems = examined(site)

    assert [each for each in problems if said in each], problems
    assert len(problems) == WITH_OTHERS.get(request.node.callspec.id, 1), problems


def test_messages_that_were_put_aside_are_told(site):
    shunt = site.mailman.switchboards["shunt"]
    filebase = shunt.enqueue(Message(), {})
    try:
        [problem] = examined(site)
    finally:
        shunt.dequeue(filebase)
        shunt.finish(filebase)

    assert problem.startswith("warning: 1 in Mailman's queue shunt")


def test_a_data_directory_that_is_gone(site):
    services = site.services()
    services.data_dir = site.root / "gone"

    texts = [each.text for each in examine(services, services.resolver)]

    assert (
        f"the directory {site.root}/gone is missing; make it, for Mailman's user"
        in (texts)
    )


def test_a_dns_that_takes_its_time(site):
    services = site.services()
    times = iter((0.0, 3.5))

    found = examine(services, services.resolver, clock=lambda: next(times))

    [problem] = [each.text for each in found if each.severity is not Severity.GOOD]
    assert problem.startswith("the DNS took 3.5 s, as long as dns_timeout")


def test_taking_signatures_out_is_no_fault(site):
    site.configure("[mta]\nremove_dkim_headers: yes\n")
    services = site.services()

    assert examined(site) == []
    [note] = [
        each.text
        for each in examine(services, services.resolver)
        if "remove_dkim_headers" in each.text
    ]
    assert note.endswith("posts are judged before that, and sealed after it")


def test_what_is_mailmans_is_left_alone_by_others(site):
    services = site.services()

    examine(services, services.resolver, is_mailmans_user=False)
    assert [each.name for each in site.root.iterdir()] == ["arc.pem"]

    examine(services, services.resolver)
    assert "arc.db" in [each.name for each in site.root.iterdir()]


# The command


def run(*words: str) -> Result:
    done = CliRunner().invoke(arc, ["doctor", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_command_tells_of_a_healthy_site(site):
    site.services()

    done = run()

    assert done.exit_code == 0
    assert done.output.startswith("In order:\n  posts are judged on arrival by LMTP, ")
    assert f"  the DNS shows the key at {NAME}\n" in done.output
    assert done.output.endswith("\n\nno faults\n")


def test_the_command_groups_what_it_tells(site):
    site.publish(key="", dmarc="")
    site.services()

    done = run()

    assert done.exit_code == 1
    mended, looked_at, in_order, summary = done.output.split("\n\n")
    assert mended.startswith("To be mended:\n  the DNS does not show the key")
    assert looked_at.startswith("To be looked at:\n  lists.example has no DMARC")
    assert in_order.startswith("In order:\n  posts are judged on arrival")
    assert summary == "1 error and 1 warning\n"


def test_a_warning_alone_does_not_fail(site):
    site.publish(dmarc="")
    site.services()

    assert run().exit_code == 0


def test_quiet_says_only_what_is_wrong(site):
    site.services()
    assert run("--quiet").output == ""

    site.publish(key="")
    site.services()
    done = run("-q")
    assert done.exit_code == 1
    assert done.output.count("\n") == 3
    assert "To be mended:\n  the DNS" in done.output


def test_it_tells_programs(site):
    site.publish(dmarc="")
    site.services()

    told = json.loads(run("--format", "json").output)
    assert {each["severity"] for each in told["findings"]} == {"good", "warning"}

    told = json.loads(run("--format", "json", "-q").output)
    [finding] = told["findings"]
    assert finding["severity"] == "warning"
    assert "_dmarc.lists.example" in finding["text"]


def test_it_warns_a_user_who_is_not_mailmans(site, monkeypatch):
    site.services()
    monkeypatch.setattr(
        "mailman_arc.plugin.commands.arc_doctor.os.geteuid", lambda: 987654321
    )

    output = run("-q").output

    assert "To be looked at:\n  Mailman's files belong to " in output
    assert "run this as that user" in output


# In the log


def test_the_log_of_a_healthy_site(site, log):
    plugin_doctor.report_summary(site.services())

    assert log() == ["INFO doctor: no faults"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"dmarc": ""}, "WARNING doctor: 1 warning; `mailman arc doctor` names them"),
        (
            {"dmarc": "", "key": ""},
            "ERROR doctor: 1 error and 1 warning; `mailman arc doctor` names them",
        ),
    ],
)
def test_the_log_says_how_much_is_wrong(records, said, site, log):
    site.publish(**records)

    plugin_doctor.report_summary(site.services())

    assert log() == [said]


def test_the_summary_waits_for_one_time_out_at_most(site, log):
    site.dns.dead = True
    site.set(dns_timeout="0.3", dns_deadline="60")

    # With 60 s of waiting nobody would go on.
    plugin_doctor.report_summary(site.services())

    assert log() == ["ERROR doctor: 1 error; `mailman arc doctor` names them"]
