"""Which key seals: by key files, a DNS and a clock that the test has in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailman_arc.adapters.keyring import KeyRing
from mailman_arc.adapters.keystore import KeyStore
from mailman_arc.adapters.keywatch import GOOD_FOR, KeyWatch
from mailman_arc.adapters.shownkeys import ShownKeys
from mailman_arc.mailauth.answers import LookupFailed, TxtAnswer
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.crypto import parse_signing_key
from mailman_arc.mailauth.keycheck import Found, find_key
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.sealingkeys import Chosen, SealingKeys
from mailman_arc.policy.configuration import Identity
from mailman_arc.policy.dnsrecord import record_value
from mailman_arc.policy.keychoice import MAX_AGE
from mailman_arc.policy.outbound import Unsealed
from tests.support.keys import ed25519_key, ed25519_pem, key_record
from tests.support.zone import NXDOMAIN, txt


DOMAIN = "lists.example"
MANAGED = Identity("arc", DOMAIN)
DEAD = LookupFailed("no answer")


@dataclass
class House:
    """An identity, its directory, and what the DNS shows."""

    root: Path
    now: int = 1_800_000_000
    zone: dict[str, TxtAnswer] = field(default_factory=dict)
    dead: bool = False
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def start(self, *, checks: bool = True) -> None:
        """A new process."""
        self.store = KeyStore(self.root / "keys")
        watch = KeyWatch(
            self,
            ShownKeys(self.root / "shown.json"),
            lambda: self.now,
            self.waiting.append,
        )
        self.keys = SealingKeys(KeyRing(), self.store, watch if checks else None)

    def fetch(self, names: Iterable[str]) -> dict[str, TxtAnswer]:
        return {
            name: DEAD if self.dead else self.zone.get(name, NXDOMAIN) for name in names
        }

    def new(self, selector: str) -> None:
        # As another process does it.
        store = KeyStore(self.root / "keys")
        store.new(DOMAIN, selector, self.now, key_type="ed25519")

    def publish(self, selector: str) -> None:
        key = parse_signing_key(self.store.get(DOMAIN, selector).path.read_bytes())
        self.zone[key_name(selector, DOMAIN)] = txt(
            record_value(key.verifying_key).encode()
        )

    def withdraw(self, selector: str) -> None:
        del self.zone[key_name(selector, DOMAIN)]

    def set_state(self, selector: str, state) -> None:
        KeyStore(self.root / "keys").set_state(DOMAIN, selector, state, self.now)

    def make_active(self, *selectors: str) -> None:
        for selector in selectors:
            self.new(selector)
            self.publish(selector)
            self.set_state(selector, "active")
            self.now += 1

    def chosen(self, identity: Identity = MANAGED) -> Chosen:
        return self.keys.choose(identity, self.now)

    def selector(self) -> str:
        chosen = self.chosen().identity
        return chosen.selector if isinstance(chosen, SealingIdentity) else str(chosen)

    def later(self, seconds: int = GOOD_FOR) -> None:
        """Time passes, a post is sealed, and the DNS is asked beside it."""
        self.now += seconds
        self.chosen()
        while self.waiting:
            self.waiting.pop()()


@pytest.fixture
def house(tmp_path) -> House:
    made = House(tmp_path)
    made.start()
    return made


# Turning keys over


def test_a_rotation_leaves_no_post_unsealed_and_uses_no_key_the_dns_does_not_show(
    house,
):
    house.make_active("old")
    steps = (
        lambda: house.new("new"),
        lambda: house.publish("new"),
        lambda: house.set_state("new", "active"),
        lambda: house.withdraw("new"),  # a name server lost it again
        lambda: house.publish("new"),
        lambda: setattr(house, "dead", True),
        lambda: setattr(house, "dead", False),
        lambda: house.set_state("old", "retired"),
        lambda: house.withdraw("old"),
    )
    used = []
    for step in steps:
        step()
        house.later()  # longer than an answer is remembered
        sealing = house.chosen().identity
        used.append(sealing.selector)
        answer = house.zone[key_name(sealing.selector, DOMAIN)]
        assert find_key(answer, sealing.key.verifying_key).found is Found.SHOWN

    assert used == ["old", "old", "new", "old", *["new"] * 5]


def test_a_key_made_active_too_early_lets_the_old_one_go_on_and_says_so(house):
    house.make_active("old")
    house.new("new")
    house.set_state("new", "active")

    chosen = house.chosen()

    assert chosen.identity.selector == "old"
    assert chosen.warnings == (
        "the DNS does not show the key at new._domainkey.lists.example (there is "
        "none); sealing goes on with old",
    )


def test_a_key_that_is_next_never_seals(house):
    house.new("new")
    house.publish("new")

    assert house.selector() == Unsealed.NO_KEY


def test_a_retired_key_never_seals(house):
    house.make_active("old", "new")
    house.set_state("old", "retired")
    house.withdraw("new")

    assert house.selector() == Unsealed.KEY_NOT_SHOWN


# What is wrong is told


def test_without_any_key_that_is_shown_the_reason_is_told(house):
    house.make_active("old")
    house.withdraw("old")

    assert house.chosen() == Chosen(
        Unsealed.KEY_NOT_SHOWN,
        (
            "posts are not sealed: the DNS does not show the key at "
            "old._domainkey.lists.example (there is none)",
        ),
    )


def test_a_broken_file_costs_its_key_only_and_is_told(house):
    house.make_active("old", "new")
    (house.root / "keys" / DOMAIN / "new.pem").write_bytes(b"nonsense")

    chosen = house.chosen()

    assert chosen.identity.selector == "old"
    [said] = chosen.errors
    assert said.startswith("selector 'new': key file ")


def test_a_broken_state_costs_its_key_only_and_is_told(house):
    house.make_active("old", "new")
    (house.root / "keys" / DOMAIN / "new.json").write_bytes(b"nonsense")

    chosen = house.chosen()

    assert chosen.identity.selector == "old"
    assert "it is not JSON; the key new is not used" in chosen.errors[0]


def test_an_old_key_is_due(house):
    house.make_active("old")
    house.later(MAX_AGE + 2)

    [said] = house.chosen().warnings
    assert said == (
        "the key old of lists.example has been in use since 2027-01-15: it is time "
        "for a new one"
    )


# Keys of arc.cfg


@pytest.fixture
def fixed(house) -> Identity:
    path = house.root / "arc.pem"
    path.touch(mode=0o600)
    path.write_bytes(ed25519_pem())
    house.zone["arc._domainkey.lists.example"] = txt(key_record(ed25519_key()))
    return Identity("arc", DOMAIN, "arc", str(path))


def test_a_key_of_arc_cfg_seals_while_the_dns_shows_it(house, fixed):
    sealing = house.chosen(fixed).identity
    assert (sealing.selector, sealing.key.algorithm) == ("arc", "ed25519-sha256")

    house.withdraw("arc")
    house.start()
    assert house.chosen(fixed).identity is Unsealed.KEY_NOT_SHOWN


def test_a_file_that_is_replaced_is_another_key_which_the_dns_must_show(house, fixed):
    house.chosen(fixed)
    Path(fixed.key_file).write_bytes(ed25519_pem(1))

    chosen = house.chosen(fixed)

    assert chosen.identity is Unsealed.KEY_NOT_SHOWN
    assert "(there is another one)" in chosen.errors[0]


def test_a_key_shown_before_seals_on_while_the_dns_is_dead(house, fixed):
    house.chosen(fixed)
    house.dead = True
    house.start()

    assert isinstance(house.chosen(fixed).identity, SealingIdentity)


def test_a_key_never_shown_does_not_seal_while_the_dns_is_dead(house, fixed):
    house.dead = True

    chosen = house.chosen(fixed)

    assert chosen.identity is Unsealed.KEY_NOT_SHOWN
    assert "(the DNS does not answer: no answer)" in chosen.errors[0]


def test_a_key_of_arc_cfg_is_due_a_year_after_the_dns_first_showed_it(house, fixed):
    house.chosen(fixed)
    house.now += MAX_AGE + 1
    house.start()

    assert "in use since 2027-01-15" in house.chosen(fixed).warnings[0]


def test_a_site_that_does_not_check_never_asks(house, fixed):
    house.zone.clear()
    house.fetch = None
    house.start(checks=False)
    house.new("new")
    house.set_state("new", "active")

    assert house.selector() == "new"
    assert house.chosen(fixed).identity.selector == "arc"
    house.now += MAX_AGE + 1
    assert house.chosen(fixed).warnings == ()
