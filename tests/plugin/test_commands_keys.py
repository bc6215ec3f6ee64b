"""`mailman arc keys`: from a new key to a retired one, and what is refused."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailman_arc.adapters.keyfiles import read_signing_key
from mailman_arc.adapters.zonefile import read_zone_file
from mailman_arc.mailauth.keycheck import Found, find_key
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.dnsrecord import record_value
from mailman_arc.policy.keychoice import OVERLAP
from tests.plugin.conftest import Install
from tests.plugin.test_commands import failed, good, run
from tests.support.keys import ed25519_key, key_record


DOMAIN = "talk.example"
MADE = 1_780_000_000  # 2026-05-28 20:26:40 UTC
DAY = 86400
TALK = {"identity.talk": {"domain": DOMAIN}}
OTHER = key_record(ed25519_key(1)).decode()


@dataclass
class House:
    """A site that seals with keys made here, and what the DNS shows."""

    install: Install
    root: Path
    zone: dict[str, list[str]] = field(default_factory=dict)
    sections: dict[str, dict[str, str]] = field(default_factory=lambda: TALK)
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, **changes: str) -> Services:
        """A new process, which finds the DNS as it is now."""
        file = self.root / "site.zone"
        file.write_text(
            "".join(
                f'{name}. 300 IN TXT "{text}"\n'
                for name, texts in self.zone.items()
                for text in texts
            )
        )
        self.settings |= changes
        return self.install(self.sections, test_keys=str(file), **self.settings)

    def new(self, selector: str, now: int = MADE) -> None:
        self.start().key_store.new(DOMAIN, selector, now, key_type="ed25519")

    def record(self, selector: str) -> str:
        path = self.root / "arc/keys" / DOMAIN / f"{selector}.pem"
        return record_value(read_signing_key(path).verifying_key)

    def show(self, selector: str, *texts: str) -> None:
        """Publish these texts for a key, by default its record."""
        self.zone[key_name(selector, DOMAIN)] = [*texts] or [self.record(selector)]
        self.start()

    def activate(self, selector: str, now: int = MADE + 60) -> None:
        self.start().key_store.set_state(DOMAIN, selector, "active", now)

    def state(self, selector: str) -> str:
        return self.start().key_store.get(DOMAIN, selector).state


@pytest.fixture
def house(mailman, install, tmp_path) -> House:
    made = House(install, tmp_path)
    made.start(selector="", key_file="", domain="", authserv_id="lists.example")
    return made


# new, publish


def test_a_new_key_is_made_and_its_record_shown(house, tmp_path):
    out = tmp_path / "record"

    said = good("keys", "new", DOMAIN, "-s", "k1", "-o", out)

    path = tmp_path / "arc/keys" / DOMAIN / "k1.pem"
    key = read_signing_key(path)
    assert (key.algorithm, key.bits, house.state("k1")) == ("rsa-sha256", 2048, "next")
    [(name, answer)] = [
        each for each in read_zone_file(out).items() if each[0].startswith("k1.")
    ]
    assert name == "k1._domainkey.talk.example"
    assert find_key(answer, key.verifying_key).found is Found.SHOWN
    assert said.splitlines() == [
        f"made {path} (rsa-sha256, 2048 bits); publish its record:",
        "when all your name servers have it: `mailman arc keys activate talk.example "
        "k1`",
        "posts are sealed with active keys of talk.example by: talk",
    ]


def test_the_default_selector_tells_the_day(house):
    said = good("keys", "new", DOMAIN, "-t", "ed25519")

    assert re.search(r"/talk\.example/arc20\d{6}\.pem \(ed25519-sha256, 256 bits", said)


def test_an_ed25519_key_is_warned_of(house):
    assert "warning: the key is Ed25519, which most receivers" in good(
        "keys", "new", DOMAIN, "--type", "ed25519"
    )


def test_the_size_can_be_chosen(house, tmp_path):
    good("keys", "new", DOMAIN, "-s", "k1", "-b", "3072")

    assert read_signing_key(tmp_path / "arc/keys" / DOMAIN / "k1.pem").bits == 3072
    assert failed(1, "keys", "new", DOMAIN, "-b", "1024").startswith(
        "Error: a new RSA key has 2048 to "
    )


@pytest.mark.parametrize("selector", ["k1", "K1"])
def test_a_key_is_never_replaced(selector, house, tmp_path):
    house.new("k1")
    path = tmp_path / "arc/keys" / DOMAIN / "k1.pem"
    before = path.read_bytes()

    assert "there is a key k1 of talk.example already" in failed(
        1, "keys", "new", DOMAIN, "-s", selector
    )
    assert path.read_bytes() == before


def test_a_key_whose_state_is_lost_is_not_replaced_either(house, tmp_path):
    house.new("k1")
    path = tmp_path / "arc/keys" / DOMAIN / "k1.pem"
    path.with_suffix(".json").unlink()
    before = path.read_bytes()

    assert "a key is never replaced" in failed(1, "keys", "new", DOMAIN, "-s", "k1")
    assert path.read_bytes() == before


def test_nor_does_a_key_get_the_name_of_one_of_arc_cfg(services):
    assert "there is a key arc of lists.example already" in failed(
        1, "keys", "new", "lists.example", "-s", "arc"
    )


SITES = {
    "who has no keys": (
        {"domain": DOMAIN, "selector": "", "key_file": ""},
        f"posts are sealed with active keys of {DOMAIN} by: arc",
    ),
    "who has another key": (
        {"domain": DOMAIN},
        f"arc.cfg gives {DOMAIN} a selector and key_file: when this key is active, "
        "take both out, or it is not used",
    ),
    "nobody, but another": (
        {},
        f"nobody in arc.cfg seals as {DOMAIN}: write 'domain: {DOMAIN}' into a section "
        "[identity.NAME]",
    ),
    "nobody": (
        {"domain": "", "authserv_id": "x", "selector": "", "key_file": ""},
        f"nobody in arc.cfg seals as {DOMAIN}: write 'domain: {DOMAIN}' into [arc]",
    ),
}


@pytest.mark.parametrize(("settings_", "sentence"), SITES.values(), ids=SITES)
def test_who_will_use_it_is_told(settings_, sentence, mailman, install):
    install(**settings_)

    said = good("keys", "new", DOMAIN, "-t", "ed25519")

    assert said.splitlines()[-1] == sentence


FORMS = {
    "zone": ('k1._domainkey.talk.example. IN TXT ( "', '" )'),
    "text": ('"v=DKIM1; k=rsa; p=', '"'),
    "bare": ("v=DKIM1; k=rsa; p=", ""),
    "testkey": ("k1._domainkey.talk.example v=DKIM1; k=rsa; p=", ""),
    "json": ('{"name": "k1._domainkey.talk.example", "type": "TXT", "value": "', "}"),
}


@pytest.mark.parametrize(("form", "ends"), FORMS.items(), ids=FORMS)
def test_the_record_is_shown_again_as_it_was(form, ends, house, tmp_path):
    out = tmp_path / "record"
    good("keys", "new", DOMAIN, "-s", "k1", "--format", form, "-o", out)

    again = good("keys", "publish", DOMAIN, "k1", "-f", form)

    assert again == out.read_text()
    assert again.startswith(ends[0])
    assert again.endswith(f"{ends[1]}\n")


def test_a_long_record_is_in_strings_that_the_dns_takes(house):
    good("keys", "new", DOMAIN, "-s", "k1")

    told = json.loads(good("keys", "publish", DOMAIN, "k1", "-f", "json"))

    assert max(map(len, told["strings"])) == 255
    assert "".join(told["strings"]) == told["value"]


@pytest.mark.parametrize(
    ("flags", "tag"),
    [
        (["--testing"], "; t=y;"),
        (["--no-subdomains"], "; t=s;"),
        (["--testing", "--no-subdomains"], "; t=y:s;"),
        (["--email-only"], "; s=email;"),
        (["--restrict"], "; s=email;"),
        (["--hash-algorithms", "sha256"], "; h=sha256;"),
        (["--note", "for lists"], "; n=for=20lists;"),
    ],
)
def test_a_record_can_say_more(flags, tag, house):
    assert tag in good("keys", "new", DOMAIN, "-s", "k1", "-t", "ed25519", *flags)
    assert tag in good("keys", "publish", DOMAIN, "k1", *flags)
    assert tag not in good("keys", "publish", DOMAIN, "k1")


def test_a_key_of_arc_cfg_can_be_published(services):
    text = good("keys", "publish", "lists.example", "arc", "-f", "bare")

    key = services.keys.get(services.configuration.identities["arc"].key_file)
    assert text == f"{record_value(key.verifying_key)}\n"


# check

SHOWN = {
    "shown": (["{ours}"], "shown", "shown: the DNS shows the key at "),
    "missing": ([], "missing", "(there is none); publish the record of `mailman arc"),
    "other": ([OTHER], "other key", "(there is another one); put the record of `mai"),
    "two": (["{ours}", OTHER], "other key", "(there is another one: beside ours); "),
    "revoked": (["v=DKIM1; k=ed25519; p="], "revoked", "(it is revoked there); pub"),
    "unusable": (["v=DKIM1; k=ed25519; p=x"], "unusable", "cannot be used: "),
}


@pytest.mark.parametrize(("texts", "found", "words"), SHOWN.values(), ids=SHOWN)
def test_what_the_dns_shows(texts, found, words, house):
    house.new("k1")
    if texts:
        house.show("k1", *(each.format(ours=house.record("k1")) for each in texts))
    status = 0 if found == "shown" else 1

    for which in ((DOMAIN, "k1"), (DOMAIN,), ()):
        text = failed(status, "keys", "check", *which)
        assert text.startswith(f"{found}: ")
        assert words in text
    [told] = json.loads(failed(status, "keys", "check", "--format", "json"))
    assert told["found"] == found
    assert told["record_name"] == "k1._domainkey.talk.example"


def test_a_dns_that_does_not_answer(house, tmp_path):
    house.new("k1")
    house.install(
        TALK,
        **{**house.settings, "test_keys": "", "nameservers": "127.0.0.1"},
        nameserver_port="1",
        dns_timeout="0.1",
    )

    text = failed(1, "keys", "check")

    assert text.startswith("unknown: the DNS does not show the key at ")
    assert text.endswith("; try again, and look after your name servers\n")
    assert "(the DNS does not answer" in failed(1, "keys", "activate", DOMAIN, "k1")


def test_all_are_checked_and_one_that_is_missing_is_enough(house):
    for selector in ("k1", "k2"):
        house.new(selector)
    house.show("k2")

    lines = failed(1, "keys", "check").splitlines()

    assert [each.partition(":")[0] for each in lines] == ["missing", "shown"]
    good("keys", "check", DOMAIN, "k2")


def test_of_retired_keys_only_those_whose_record_is_needed_are_checked(house):
    now = int(time.time())
    for selector, retired_at in (
        ("k1", now - OVERLAP - 1),
        ("k2", now - OVERLAP + DAY),
    ):
        house.new(selector)
        house.activate(selector)
        house.start().key_store.set_state(DOMAIN, selector, "retired", retired_at)
    house.new("k3")  # was never in use
    house.start().key_store.set_state(DOMAIN, "k3", "retired", now)

    [line] = failed(1, "keys", "check", DOMAIN).splitlines()

    assert line.startswith("missing: the DNS does not show the key at k2.")
    assert "at k1." in failed(1, "keys", "check", DOMAIN, "k1")


def test_without_keys_there_is_nothing_to_check(house):
    sentence = "Error: there is no key{}; `mailman arc keys new` makes one\n"
    assert failed(1, "keys", "check") == sentence.format("")
    assert failed(1, "keys", "check", DOMAIN) == sentence.format(f" for {DOMAIN}")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_key_that_cannot_be_used_is_told(form, house, tmp_path):
    house.new("k1")
    house.show("k1")
    (tmp_path / "arc/keys" / DOMAIN / "k1.pem").write_text("nonsense")

    for words in (("check",), ("list",), ("list", "--check")):
        text = failed(1, "keys", *words, "--format", form)
        assert "there is no private key in PEM form in it" in text
    assert "no private key in PEM" in failed(1, "keys", "publish", DOMAIN, "k1")
    assert "no private key in PEM" in failed(1, "keys", "activate", DOMAIN, "k1")


def test_a_key_whose_state_cannot_be_read_is_told(house, tmp_path):
    house.new("k1")
    house.new("k2")
    house.show("k2")
    (tmp_path / "arc/keys" / DOMAIN / "k1.json").write_text("nonsense")

    assert "it is not JSON" in failed(1, "keys", "check")
    assert "it is not JSON" in failed(1, "keys", "list")
    assert "it is not JSON" in failed(2, "keys", "publish", DOMAIN, "k1")
    good("keys", "check", DOMAIN, "k2")


# activate, retire


def test_a_key_becomes_active_when_the_dns_shows_it(house):
    house.new("k1")

    assert failed(1, "keys", "activate", DOMAIN, "k1") == (
        "Error: the DNS does not show the key at k1._domainkey.talk.example (there is "
        "none); publish it, and try again when all your name servers have it\n"
    )
    assert house.state("k1") == "next"

    house.show("k1")
    assert good("keys", "activate", DOMAIN, "k1") == (
        "k1 of talk.example is active\n"
        "posts are sealed with active keys of talk.example by: talk\n"
    )
    assert house.state("k1") == "active"
    assert "k1 is active already" in failed(1, "keys", "activate", DOMAIN, "k1")


def test_the_key_before_stands_by_until_it_is_retired(house):
    for selector in ("k1", "k2"):
        house.new(selector)
        house.show(selector)
    house.activate("k1")

    said = good("keys", "activate", DOMAIN, "k2")
    assert "k1 stands by until `mailman arc keys retire talk.example k1`\n" in said

    said = good("keys", "retire", DOMAIN, "k1")
    assert re.search(
        r"k1 of talk\.example is retired\nleave its record in the DNS until 20..-", said
    )
    assert house.state("k1") == "retired"
    assert "k1 is retired already" in failed(1, "keys", "retire", DOMAIN, "k1")


@pytest.mark.parametrize("has_other", [False, True])
def test_the_only_key_that_can_be_used_is_not_retired(has_other, house):
    house.new("k1")
    house.show("k1")
    house.activate("k1")
    if has_other:  # which the DNS does not show
        house.new("k2")
        house.activate("k2", MADE + 120)

    assert failed(1, "keys", "retire", DOMAIN, "k1") == (
        "Error: k1 is the only active key of talk.example that can be used; activate "
        "another one first\n"
    )
    assert house.state("k1") == "active"


def test_a_key_that_cannot_be_read_does_not_count_when_another_is_retired(
    house, tmp_path
):
    for selector in ("k1", "k2"):
        house.new(selector)
        house.show(selector)
        house.activate(selector)
    (tmp_path / "arc/keys" / DOMAIN / "k2.pem").write_text("nonsense")

    assert "k1 is the only active key" in failed(1, "keys", "retire", DOMAIN, "k1")
    good("keys", "retire", DOMAIN, "k2")


def test_the_record_of_a_key_that_never_sealed_may_go(house):
    house.new("k1")

    assert good("keys", "retire", DOMAIN, "k1") == (
        "k1 of talk.example is retired\n"
        "it has never sealed: its record is not needed in the DNS\n"
    )


def test_a_site_that_does_not_check_does_not_ask_the_dns(house):
    house.start(check_pubkey="no")
    for selector in ("k1", "k2"):
        house.new(selector)
        good("keys", "activate", DOMAIN, selector)

    good("keys", "retire", DOMAIN, "k1")

    assert "k2 is the only active key" in failed(1, "keys", "retire", DOMAIN, "k2")


@pytest.mark.parametrize("word", ["activate", "retire"])
def test_a_key_of_arc_cfg_has_no_states(word, mailman, services):
    assert failed(1, "keys", word, "lists.example", "arc") == (
        "Error: the key arc of lists.example is named in arc.cfg: it is active as long "
        "as it stands there\n"
    )


# list


@pytest.fixture
def three(house, files) -> House:
    """A key of `arc.cfg`, which the DNS has shown, a retired one, and a new one."""
    house.start(domain="lists.example", selector="arc", key_file=f"{files}/arc.pem")
    house.new("k1")
    house.activate("k1")
    house.start().key_store.set_state(DOMAIN, "k1", "retired", MADE + DAY)
    house.new("k2")
    services = house.start()
    key = services.keys.get(f"{files}/arc.pem").verifying_key
    name = "arc._domainkey.lists.example"
    house.zone[name] = [record_value(key)]
    house.start().key_watch.look({name: key})
    return house


def test_all_keys_are_listed(three):
    today = time.strftime("%Y-%m-%d", time.gmtime())

    arc, *others = good("keys", "list").splitlines()

    assert arc.startswith(
        "lists.example arc: active, rsa-sha256, 1024 bits, fixed in arc.cfg; DNS: "
        f"shown since {today[:4]}-"
    )
    assert others == [
        "talk.example k1: retired, ed25519-sha256, 256 bits, made 2026-05-28, "
        "activated 2026-05-28, retired 2026-05-29, record needed until 2026-06-28; "
        "DNS: not seen so far",
        "talk.example k2: next, ed25519-sha256, 256 bits, made 2026-05-28; DNS: not "
        "seen so far",
    ]


def test_the_dns_is_asked_for_keys_in_a_list_only_when_that_is_wanted(three):
    three.show("k2")
    assert "k2: next" in good("keys", "list")
    assert "DNS: not seen so far" in good("keys", "list").splitlines()[2]

    words = [
        line.rpartition("; ")[2] for line in good("keys", "list", "-c").splitlines()
    ]
    assert words == ["DNS: shown", "DNS: missing", "DNS: shown"]


def test_all_keys_in_json(three):
    arc, k1, _ = json.loads(good("keys", "list", "--check", "-f", "json"))

    assert (arc["managed"], arc["found"], arc["created_at"]) == (False, "shown", None)
    assert arc["seen_at"].startswith("20")
    assert k1 == {
        "domain": DOMAIN,
        "selector": "k1",
        "managed": True,
        "state": "retired",
        "algorithm": "ed25519-sha256",
        "bits": 256,
        "created_at": "2026-05-28T20:26:40",
        "activated_at": "2026-05-28T20:27:40",
        "retired_at": "2026-05-29T20:26:40",
        "record_needed_until": "2026-06-28T20:26:40",
        "seen_at": None,
        "found": "missing",
        "detail": "",
    }
    [_, told, _] = json.loads(good("keys", "list", "-f", "json"))
    assert "found" not in told


def test_without_keys_there_is_nothing_to_list(house):
    assert good("keys", "list") == "No keys: `mailman arc keys new` makes one\n"


# What goes wrong


@pytest.mark.parametrize(
    "words", [("new", DOMAIN), ("activate", DOMAIN, "k1"), ("retire", DOMAIN, "k1")]
)
def test_nobody_makes_files_that_mailman_cannot_read(words, house, monkeypatch):
    house.new("k1")
    house.show("k1")
    owner = os.geteuid()
    before = _state_of_files(house.root)
    monkeypatch.setattr(
        "mailman_arc.plugin.commands.arc_keys.os.geteuid", lambda: owner + 987654321
    )

    text = failed(1, "keys", *words)

    assert text.startswith("Error: Mailman's files belong to ")
    assert f"those that {owner + 987654321} makes: run this as " in text
    assert _state_of_files(house.root) == before


def _state_of_files(root: Path) -> dict[Path, tuple[int, ...]]:
    """All but when they were last read."""
    found = {path: path.stat() for path in root.rglob("*")}
    return {path: (s.st_ino, s.st_mode, s.st_mtime_ns) for path, s in found.items()}


@pytest.mark.parametrize(
    "words",
    [
        *(("publish", DOMAIN, "x"), ("check", DOMAIN, "x")),
        *(("activate", DOMAIN, "x"), ("retire", DOMAIN, "x")),
    ],
)
def test_there_has_to_be_such_a_key(words, house):
    assert "No such key: x of talk.example" in failed(2, "keys", *words)


@pytest.mark.parametrize("words", [("new", ".."), ("new", DOMAIN, "-s", "../k1")])
def test_only_names_of_the_dns_are_names_of_keys(words, house):
    assert "is not a domain name" in failed(2, "keys", *words)


@pytest.mark.parametrize(
    "words",
    [
        *(("new", DOMAIN), ("publish", DOMAIN, "x"), ("check",)),
        *(("activate", DOMAIN, "x"), ("retire", DOMAIN, "x"), ("list",)),
    ],
)
def test_a_directory_that_cannot_be_read_is_told(words, house, tmp_path):
    (tmp_path / "file").touch()
    house.start(key_directory=str(tmp_path / "file"))

    text = failed(1, "keys", *words)

    assert text.startswith(f"Error: cannot read key directory {tmp_path}/file: ")


def test_settings_that_cannot_be_used_are_pointed_out(unusable, mailman):
    unusable()

    assert failed(1, "keys", "list") == (
        "Error: arc.cfg cannot be used; `mailman arc check` says why\n"
    )


def test_private_keys_are_never_shown(house, tmp_path):
    good("keys", "new", DOMAIN, "-s", "k1", "-t", "ed25519")
    _, secret, _ = (tmp_path / "arc/keys" / DOMAIN / "k1.pem").read_text().splitlines()
    house.show("k1")

    shown = [
        run("keys", *words).output
        for words in (
            *(("publish", DOMAIN, "k1"), ("publish", DOMAIN, "k1", "-f", "json")),
            *(("check",), ("activate", DOMAIN, "k1"), ("retire", DOMAIN, "k1")),
            *(("list",), ("list", "-f", "json"), ("new", DOMAIN, "-s", "k1")),
        )
    ]

    assert all(shown)
    for text in shown:
        assert "PRIVATE" not in text
        assert secret not in text
        assert str(tmp_path) not in text
