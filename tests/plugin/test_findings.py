"""What is said of settings that may do something nobody wanted."""

from __future__ import annotations

import pytest

from mailman_arc.plugin.findings import find_about_peers


@pytest.mark.parametrize(
    ("peers", "warnings"),
    [
        ("", []),
        ("192.0.2.1", []),
        ("127.0.0.0/8 !127.0.0.1", []),
        ("192.0.2.1 127.0.0.1", ["peer_list has this machine"]),
        ("::1", ["peer_list has this machine"]),
        ("localhost", ["peer_list has this machine"]),
    ],
)
def test_a_machine_that_leaves_itself_alone_is_warned(
    peers, warnings, mailman, install
):
    found = find_about_peers(install(peer_list=peers))

    assert [each.text.partition(":")[0] for each in found] == warnings


@pytest.mark.parametrize(("peers", "count"), [("", 0), ("127.0.0.1", 1)])
def test_without_the_door_the_list_is_ignored_and_the_site_is_told(
    peers, count, install, mailman
):
    mailman.push("no door", "[runner.lmtp]\nclass: mailman.runners.lmtp.LMTPRunner\n")
    try:
        found = list(find_about_peers(install(peer_list=peers)))
    finally:
        mailman.pop("no door")

    assert len(found) == count
    assert all(each.text.startswith("peer_list is ignored") for each in found)
