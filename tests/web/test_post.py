from __future__ import annotations

import pytest

from tests.web import told
from tests.web.browser import HISTORY, LIST, main, post_address, words


def post(visit, core, name="olivia", **changes):
    core.entries = [told.entry(**changes)]
    return visit(name).get(post_address(core.entries[0]))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"verdict": "confirmed"}, "The post really comes from author.example."),
        (
            {"verdict": "vouched"},
            "The signature was broken on the way, but forwarder.example checked the "
            "post before, and its seal is intact.",
        ),
        (
            {"verdict": "vouched", "details": {}},
            "The signature was broken on the way, but a server checked the post before",
        ),
        (
            {"verdict": "unconfirmed"},
            "The post says it is from author.example, but that could not be confirmed.",
        ),
        (
            {"verdict": "unchecked"},
            "author.example has neither signed it nor said how to check its mail",
        ),
        (
            {"verdict": "confirmed", "author_domain": ""},
            "The post really comes from its author's domain.",
        ),
        ({"verdict": ""}, "It is not known how the post arrived."),
    ],
)
def test_one_sentence_says_what_to_think_of_it(entry, sentence, visit, core):
    assert sentence in words(main(post(visit, core, **entry)))


def test_the_way_is_told_hop_by_hop_in_its_order(visit, core):
    hops = [told.hop(1), told.hop(2, "second.example")]
    page = main(post(visit, core, details=told.details(hops=hops)))
    way = words(page.partition('<ol class="arc-way">')[2].partition("</ol>")[0])
    places = ["Author", "i=1 · forwarder.example", "i=2 · second.example", "This list"]
    found = [way.find(each) for each in places]
    assert -1 not in found
    assert found == sorted(found)


def test_a_hop_tells_what_is_left_of_its_set_and_what_it_recorded(visit, core):
    page = words(main(post(visit, core)))
    assert "cv=none s=arc1" in page
    assert "ARC-Seal ✔ good It is good. (RFC 8617 §5.2)" in page
    assert "i=1; mx.forwarder.example; dkim=pass header.d=author.example" in page


def test_our_seal_is_the_end_of_the_way(visit, core):
    page = words(main(post(visit, core)))
    assert "✔ Sealed i=2 i=2 cv=pass d=lists.example.org s=s2026a" in page
    assert "1 copy · 3 recipients" in page


def test_a_post_that_left_unsealed_says_why(visit, core):
    page = post(visit, core, sealed=False, unsealed_reason="no usable key, shadow mode")
    assert "Not sealed no usable key, shadow mode" in words(main(page))


def test_a_post_that_waits_leads_to_the_held_messages(visit, core):
    page = main(
        post(
            visit, core, disposition="held", is_waiting=True, sealed=None,
            left_at=None, disposition_reason="The sender is moderated",
        )
    )  # fmt: skip
    assert "Waiting for a moderator: The sender is moderated" in words(page)
    assert f'href="{LIST}held_messages"' in page


def test_hops_that_were_left_out_are_counted(visit, core):
    page = post(visit, core, details=told.details(hops_left_out=40))
    assert "40 servers in the middle are not shown." in words(main(page))


def test_the_fields_of_a_chain_that_has_ended_are_shown(visit, core):
    fields = ["ARC-Seal: i=1; cv=fail; d=<b>relay.example"]
    page = main(post(visit, core, details=told.details(hops=[], arc_fields=fields)))
    assert "ARC-Seal: i=1; cv=fail; d=&lt;b&gt;relay.example" in page


def test_a_post_of_which_little_is_kept_has_a_page_too(visit, core):
    page = post(
        visit, core, subject="", author="", author_domain="", message_id="",
        message_id_hash="", results="", details={}, sealed=None, left_at=None,
    )  # fmt: skip
    assert page.status_code == 200
    assert "None are kept." in words(main(page))


def test_remarks_are_told(visit, core):
    remark = told.check("remark", "none", "The header has odd lines.")
    page = post(visit, core, details=told.details(remarks=[remark]))
    assert "Remarks The header has odd lines." in words(main(page))


def test_a_post_that_is_not_there_leads_back(visit):
    answer = visit("olivia").get(f"{HISTORY}123/")
    assert answer.status_code == 404
    assert "Show all posts" in words(main(answer))


def test_a_number_that_is_none_is_no_page(visit):
    assert visit("olivia").get(f"{HISTORY}x1/").status_code == 404


def test_the_archive_is_linked_when_it_has_the_post(visit, core):
    hyperkitty = pytest.importorskip("hyperkitty.models")
    from django.utils.timezone import now

    archive = hyperkitty.MailingList.objects.create(
        name=told.ADDRESS, list_id=told.LIST_ID
    )
    sender = hyperkitty.Sender.objects.create(address="ann@author.example")
    thread = hyperkitty.Thread.objects.create(
        mailinglist=archive, thread_id=told.HASH, date_active=now()
    )
    assert "Show it in the archive" not in words(main(post(visit, core)))
    hyperkitty.Email.objects.create(
        mailinglist=archive, thread=thread, sender=sender, message_id="1@a.example",
        message_id_hash=told.HASH, subject="A question", content="Hello.", date=now(),
        timezone=0, archived_date=now(),
    )  # fmt: skip
    try:
        page = main(post(visit, core))
        address = f"/archives/list/{told.ADDRESS}/message/{told.HASH}/"
        assert f'href="{address}"' in page
    finally:
        archive.delete()
