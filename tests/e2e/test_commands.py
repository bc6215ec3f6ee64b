"""The real `mailman` finds our commands, and they find a running site."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.house import ANN, FurnishedHouse, assert_others_accept, signed
from tests.house import posts
from tests.house.lists import MailingList
from tests.house.site import SiteError
from tests.house.waiting import wait_until


pytestmark = pytest.mark.house


def test_the_commands_see_what_happens(house: FurnishedHouse):
    discuss = house.make_list()
    arc = house.site.command

    assert "sealing as lists.example.org with selector arc2026" in arc("arc", "status")
    assert "no errors" in arc("arc", "check")
    assert arc("arc", "keys", "check").startswith("shown: the DNS shows the key at ")
    assert "IN TXT ( " in arc("arc", "keys", "new", "lists.example.org")
    arc("arc", "settings", discuss.address, "mode=s")
    lists = json.loads(arc("arc", "lists", "--format", "json"))
    [told] = [each for each in lists if each["list_id"] == discuss.list_id]
    assert (told["settings"]["mode"], told["origins"]["mode"]) == ("s", "list")

    copy = house.deliver(signed(posts.make_post(ANN, discuss.address)), discuss)

    assert not copy.fields("Authentication-Results")
    assert_others_accept(copy.octets)
    file = house.site.root / "copy.eml"
    file.write_bytes(copy.octets)
    assert "The chain of 1 (lists.example.org) is good." in arc(
        "arc", "explain", str(file)
    )
    assert "arc=pass" in arc("arc", "verify", "--require", "arc=pass", str(file))
    with pytest.raises(SiteError, match="not found: dmarc=pass"):
        arc("arc", "verify", "--require", "dmarc=pass", str(file))
    house.assert_untroubled()


OURS = "plugins/arc/lists"


def told(house: FurnishedHouse, mlist: MailingList, disposition: str) -> dict[str, Any]:
    """The only post of a list that this has become of, as REST tells it."""
    path = f"{OURS}/{mlist.list_id}/history?disposition={disposition}"

    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = house.site.rest.get(path).get("entries", [])
        return found

    [entry] = wait_until(look, 90, f"a post that is {disposition}")
    return entry


def test_what_became_of_posts_is_told(house: FurnishedHouse):
    """By REST and by commands: one that went out, and one that waits."""
    discuss = house.make_list()
    held = house.make_list(default_nonmember_action="hold")
    arc, get = house.site.command, house.site.rest.get

    house.deliver(signed(posts.make_post(ANN, discuss.address)), discuss)
    waiting = signed(posts.make_post(ANN, held.address))
    assert house.site.post(waiting, ANN, held) == {}
    request = house.held(held)

    entry = told(house, discuss, "posted")
    whole = get(f"{OURS}/{discuss.list_id}/history/{entry['entry_id']}")
    assert whole["details"]["dmarc"]["outcome"] == "good"
    assert (entry["verdict"], entry["sealed"]) == ("confirmed", True)
    story = arc("arc", "show", discuss.address, entry["message_id"])
    assert f"Confirmed: it comes from {posts.AUTHOR}." in story
    assert "Sealed: i=1 cv=none, by lists.example.org with the key arc2026." in story
    assert entry["entry_id"] in arc("arc", "export", discuss.address)
    assert "1 to 1 of 1 posts" in arc("arc", "history", discuss.address)
    metrics = arc("arc", "metrics")
    assert f'list="{discuss.list_id}",verdict="confirmed"}} 1' in metrics
    assert get(f"{OURS}/{discuss.list_id}/status")["state"] == "sealing"

    assert told(house, held, "held")["is_waiting"] is True
    held.moderate(request["request_id"], "discard")
    assert told(house, held, "held")["is_waiting"] is False
    assert arc("arc", "purge", held.address, "--all") == "posts forgotten: 1\n"
    assert get(f"{OURS}/{held.list_id}/history/count")["count"] == 0
    house.assert_untroubled()
