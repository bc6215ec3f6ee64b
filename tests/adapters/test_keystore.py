"""The keys below one directory, and how far they have come."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from mailman_arc.adapters.keyfiles import KeyFileError, read_signing_key
from mailman_arc.adapters.keystore import KeyStore, Listing


DOMAIN = "lists.example"
NOW = 1_800_000_000

as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")


@pytest.fixture
def store(tmp_path) -> KeyStore:
    return KeyStore(tmp_path / "arc" / "keys")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "arc" / "keys" / DOMAIN


def make(store: KeyStore, selector: str = "arc1", now: int = NOW):
    return store.new(DOMAIN, selector, now, key_type="ed25519")


def complaint(step, *words) -> str:
    with pytest.raises(KeyFileError) as caught:
        step(*words)
    return str(caught.value)


def test_a_new_key_is_next(store, folder):
    key = store.new(DOMAIN, "arc1", NOW)

    assert (key.domain, key.selector, key.state) == (DOMAIN, "arc1", "next")
    assert (key.algorithm, key.bits, key.created_at) == ("rsa-sha256", 2048, NOW)
    assert (key.activated_at, key.retired_at) == (None, None)
    assert key.path == folder / "arc1.pem"
    assert read_signing_key(key.path).bits == 2048
    assert store.listing(DOMAIN) == Listing((key,))
    assert store.get(DOMAIN, "arc1") == key


def test_nobody_else_can_read_what_is_made(store, folder):
    old = os.umask(0)
    try:
        make(store)
    finally:
        os.umask(old)

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert modes == {"arc1.pem": 0o600, "arc1.json": 0o600, ".lock": 0o600}
    for directory in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_key_comes_of_age_and_retires(store):
    made = make(store)

    active = store.set_state(DOMAIN, "arc1", "active", NOW + 1)
    assert (active.state, active.activated_at) == ("active", NOW + 1)
    assert store.listing(DOMAIN).keys == (active,)

    retired = store.set_state(DOMAIN, "arc1", "retired", NOW + 2)
    assert (retired.state, retired.retired_at) == ("retired", NOW + 2)
    assert (retired.activated_at, retired.created_at) == (NOW + 1, made.created_at)
    assert store.listing(DOMAIN).keys == (retired,)


def test_another_process_sees_what_has_changed(store, folder):
    other = KeyStore(folder.parent)
    make(store)
    assert [each.state for each in other.listing(DOMAIN).keys] == ["next"]

    store.set_state(DOMAIN, "arc1", "active", NOW)
    make(store, "arc2")

    assert [each.state for each in other.listing(DOMAIN).keys] == ["active", "next"]


def test_a_directory_that_has_not_changed_is_not_read_again(store):
    make(store)

    assert store.listing(DOMAIN) is store.listing(DOMAIN)


def test_a_key_is_never_replaced(store, folder):
    make(store)
    pem = (folder / "arc1.pem").read_bytes()

    said = complaint(make, store)

    assert f"key file {folder}/arc1.pem is there already" in said
    assert (folder / "arc1.pem").read_bytes() == pem


def test_of_many_who_make_a_key_at_once_one_does(store, folder):
    def try_to(_: int) -> str:
        try:
            return make(KeyStore(folder.parent)).selector
        except KeyFileError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(try_to, range(8)))

    assert sorted(made) == [*[""] * 7, "arc1"]
    assert store.listing(DOMAIN).problems == ()


def test_a_weak_key_is_not_made(store, folder):
    said = complaint(lambda: store.new(DOMAIN, "arc1", NOW, bits=1024))

    assert said == "a new RSA key has 2048 to 4096 bits, not 1024"
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "../../x", "A", "a b", ".hidden"])
def test_a_name_that_is_none_in_the_dns_is_refused(store, name):
    assert "is not a name in the DNS" in complaint(make, store, name)
    assert "is not a name in the DNS" in complaint(store.get, name, "arc1")


def test_a_key_that_is_not_there_is_named(store):
    said = complaint(store.set_state, DOMAIN, "arc1", "active", NOW)

    assert "there is no key arc1 of lists.example" in said


def test_the_domains_are_those_with_a_directory(store, folder):
    assert store.domains() == []
    make(store)
    store.new("b.example", "arc1", NOW, key_type="ed25519")
    (folder.parent / "a file").touch()
    (folder.parent / "not a domain").mkdir()

    assert store.domains() == ["b.example", DOMAIN]


def test_a_domain_without_a_directory_has_no_keys(store):
    assert store.listing(DOMAIN) == Listing()


def test_a_directory_that_is_none_is_a_problem(store, folder):
    folder.parent.mkdir(parents=True)
    folder.touch()

    [problem] = store.listing(DOMAIN).problems
    assert str(problem) == f"cannot read key directory {folder}: Not a directory"
    assert f"cannot write in {folder}: " in complaint(make, store)


def test_keys_that_are_no_directory_are_told(tmp_path):
    (tmp_path / "keys").touch()

    assert "cannot read key directory" in complaint(KeyStore(tmp_path / "keys").domains)


def test_a_key_without_a_state_is_a_problem_and_hides_no_other(store, folder):
    made = make(store)
    (folder / "own.pem").write_bytes(made.path.read_bytes())

    listing = store.listing(DOMAIN)

    assert listing.keys == (made,)
    [problem] = listing.problems
    assert f"cannot read key file {folder}/own.json: No such file" in str(problem)


def test_a_state_that_others_can_change_is_refused_unless_that_is_allowed(
    store, folder
):
    made = make(store)
    (folder / "arc1.json").chmod(0o666)

    assert "open to more than its owner" in str(store.listing(DOMAIN).problems[0])
    lenient = KeyStore(folder.parent, require_safe=False)
    assert lenient.listing(DOMAIN).keys == (made,)


BAD = (
    (b"", "it is not JSON"),
    (b"{", "it is not JSON"),
    (b"\xff\xfe\x00", "it is not JSON"),
    (b"[" * 60_000, "it is not JSON"),
    (b"[]", "it is not a JSON object"),
    (b"{}", "the state is none of next, active, retired"),
    (b'{"state": "soon"}', "the state is none of next, active, retired"),
    (b'{"state": ["next"]}', "the state is none of next, active, retired"),
    (b'{"state": "active"}', "it does not say since when the key is active"),
    (b'{"state": "next", "bits": "x"}', "bits is not a whole number"),
    (b'{"state": "next", "created_at": -1}', "created_at is not a whole number"),
    (b'{"state": "next", "created_at": 1.5}', "created_at is not a whole number"),
    (b'{"state": "next", "retired_at": true}', "retired_at is not a whole number"),
)


@pytest.mark.parametrize(("octets", "why"), BAD)
def test_a_state_that_cannot_be_read_is_a_problem(store, folder, octets, why):
    make(store)
    (folder / "arc1.json").write_bytes(octets)

    listing = store.listing(DOMAIN)

    assert listing.keys == ()
    assert [str(each) for each in listing.problems] == [
        f"key file {folder}/arc1.json: {why}; the key arc1 is not used"
    ]


VALUES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(), st.sampled_from(["next"])
)
OBJECTS = st.dictionaries(
    st.sampled_from(["state", "bits", "created_at", "activated_at", "algorithm"]),
    VALUES,
).map(lambda told: json.dumps(told).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.one_of(st.binary(), OBJECTS))
@example(octets=b"9" * 5000)
def test_any_octets_are_a_state_or_a_problem(store, folder, octets):
    if not folder.exists():
        make(store)
    (folder / "arc1.json").write_bytes(octets)

    listing = KeyStore(folder.parent).listing(DOMAIN)

    assert len(listing.keys) + len(listing.problems) == 1


@as_user
def test_a_directory_in_which_we_may_not_write_is_told(store, folder):
    make(store)
    folder.chmod(0o500)

    assert f"cannot write in {folder}: Permission denied" in complaint(
        make, store, "arc2"
    )
