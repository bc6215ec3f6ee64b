from __future__ import annotations

from tests.web import told
from tests.web.browser import KEYS, LIST, html, main, words


CHECK = "/3.1/plugins/arc/keys/lists.example.org/s2026a/check"
NAMES = {"domain": "lists.example.org", "selector": "s2026a"}


def keys(visit, query=""):
    return visit("admin").get(KEYS + query)


def test_each_key_has_its_state_and_the_record_to_publish(visit, core):
    core.keys.append(
        told.key(
            selector="s2025b",
            state="retired",
            record_needed_until="2026-12-02T00:00:00",
            seen_at=None,
        )
    )
    page = words(main(keys(visit)))
    assert "s2026a rsa-sha256, 2048 bit In use" in page
    assert "✔ shown since Nov. 1, 2026" in page
    assert "its record is needed until Dec. 2, 2026" in page
    assert "not seen yet" in page
    assert "s2026a TXT v=DKIM1; p=ABC" in page


def test_a_key_with_a_problem_says_which(visit, core):
    core.keys = [told.key(problem="the key file cannot be used")]
    assert "✖ the key file cannot be used" in words(main(keys(visit)))


def test_a_key_whose_record_cannot_be_told_is_shown_without(visit, core):
    core.unreadable = True
    page = words(main(keys(visit)))
    assert "s2026a rsa-sha256" in page
    assert "Record to publish" not in page


def test_without_a_key_it_says_how_to_make_one(visit, core):
    core.keys = []
    assert "mailman arc keys new" in words(main(keys(visit)))


def test_many_keys_are_on_many_pages(visit, core):
    core.keys = [told.key(selector=f"s{number}") for number in range(60)]
    page = main(keys(visit, "?page=2"))
    assert 'href="?page=1"' in page
    assert 'href="?page=3"' in page
    assert "s25" in page
    assert "s24" not in page


def test_the_dns_is_asked_when_somebody_wants_it(visit, core):
    answer = visit("admin").post(KEYS, NAMES, follow=True)
    assert ("POST", CHECK, {}) in core.asked
    assert "The DNS does not show the key at s2026a: missing" in words(html(answer))


def test_a_key_that_the_dns_shows_is_good_news(visit, core):
    core.found = {"record_name": "s2026a._domainkey", "found": "shown", "detail": ""}
    answer = visit("admin").post(KEYS, NAMES, follow=True)
    assert "The DNS shows the key at s2026a._domainkey." in words(html(answer))


def test_a_key_that_is_not_there_is_no_trouble(visit):
    other = {"domain": "..", "selector": ".."}
    answer = visit("admin").post(KEYS, other, follow=True)
    assert "There is nothing of this name." in words(html(answer))


def test_the_checks_of_the_site_are_run_when_somebody_wants_it(visit, core):
    core.doctor = {"checks": [{"severity": "error", "text": "No DMARC record."}]}
    asked = "/3.1/plugins/arc/doctor"
    keys(visit)
    assert core.queries(asked) == []
    page = words(main(keys(visit, "?doctor=yes")))
    assert "✖ wrong No DMARC record." in page


def test_a_site_without_faults_says_so(visit, core):
    core.doctor = {"checks": []}
    assert "Nothing is wrong." in words(main(keys(visit, "?doctor=yes")))


def test_an_older_plugin_leaves_the_checks_to_the_command(visit):
    assert "mailman arc doctor" in words(main(keys(visit, "?doctor=yes")))


def test_it_says_that_the_plugin_is_not_enabled(visit, core):
    core.has_plugin = False
    answer = keys(visit)
    assert answer.status_code == 503
    assert "The ARC plugin is not enabled in Mailman." in words(html(answer))


def test_the_system_information_leads_to_the_keys(visit):
    page = html(visit("admin").get("/mailman3/system/"))
    assert f'href="{KEYS}"' in page


def test_keys_are_not_linked_where_owners_are(visit):
    assert KEYS not in html(visit("olivia").get(LIST))
