"""The real `mailman` finds our commands, and they find a running site."""

from __future__ import annotations

import json

import pytest

from tests.e2e.house import ANN, FurnishedHouse, assert_others_accept, signed
from tests.house import posts
from tests.house.site import SiteError


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
