"""The site owner gets a mail about a key, from a real Mailman and without a post."""

from __future__ import annotations

import pytest

from tests.e2e.house import UNUSED, furnished
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

OWNER = "postmaster@lists.example.org"  # that of the example mailman.cfg


def test_a_key_that_the_dns_does_not_show_is_told_of_once():
    without = [name for name in UNUSED if name != "task"]
    with furnished(without=without, arc={"arc": {"selector": "absent"}}) as house:
        # In its name Mailman sends; the task runner looks when it starts.
        house.make_list(members=[])

        for restarts in (1, 2):
            house.site.restart()
            wait_until(
                lambda: len(house.site.log_lines("plugins", "doctor: ")) > restarts,  # noqa: B023
                PATIENCE,
                "a look at the keys",
                house.site.report,
            )
            [mail] = house.sink.wait_for(1)

        assert mail.recipients == (OWNER,)
        assert not mail.fields("ARC-Seal")
        text = " ".join(mail.octets.decode("ascii").split())
        assert "does not show the key at absent._domainkey.lists.example.org" in text
        assert "`mailman arc doctor` says what helps" in text
        house.assert_untroubled()
        assert len(house.sink.deliveries) == 1
