"""Everything in a mail is text, and so is what others say of it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from mailman_arc.web.text import MAX_SHOWN, guarded, shown
from tests.web import told
from tests.web.browser import (
    HISTORY,
    KEYS,
    OVERVIEW,
    SETTINGS,
    html,
    main,
    post_address,
    words,
)


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"
QUOTES = "\"'><script>alert(1)</script>{{ 7 }}{% now %}"
BIDI = "invoice\u202efdp.exe\u2066x"
CONTROL = "a\x00b\x1b[31mc\x7f\x9bd"
HOSTILE = (MARKUP, QUOTES, BIDI, CONTROL, "\ud800", "\u2028", "x" * 10**6)
TEXTS = (
    "subject", "author", "author_domain", "message_id", "disposition_reason",
    "unsealed_reason", "seal_domain", "seal_selector", "remarks", "results", "dkim",
    "spf", "dmarc", "arc", "verdict", "disposition", "arrived_at", "left_at",
    "seal_chain_status", "seal_instance",
)  # fmt: skip


def is_harmless(page):
    return (
        "<script>alert" not in page
        and "<img src=x" not in page
        and "\u202e" not in page
        and "\u2066" not in page
        and not any(
            unicodedata.category(each) == "Cc" for each in page if each not in "\r\n\t"
        )
        and len(page) < 400_000
    )


def everywhere(text):
    """An entry that says it in each place."""
    check = {"name": text, "outcome": text, "sentence": text, "source": text}
    hop = {
        "instance": text, "sealer": text, "selector": text, "chain_status": text,
        "sealed_at": text, "authserv_id": text, "recorded": [text, f"dkim=pass {text}"],
        "aar": text, "checks": [check],
    }  # fmt: skip
    statement = {"authserv_id": text, "standing": text, "results": [text]}
    details = {
        "author_domain": text, "summary": text, "dmarc": check, "dkim": [check],
        "arc": check, "hops": [hop], "statements": [statement], "remarks": [check],
    }  # fmt: skip
    return told.entry(**dict.fromkeys(TEXTS, text), details=details)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_post_is_shown_harmlessly(text, visit, core):
    core.entries = [everywhere(text)]
    for sealed in (True, False):
        core.entries[0]["sealed"] = sealed
        answer = visit("olivia").get(post_address(core.entries[0]))
        assert answer.status_code == 200
        assert is_harmless(main(answer))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_history_is_shown_harmlessly(text, visit, core):
    core.entries = [everywhere(text)]
    answer = visit("olivia").get(HISTORY)
    assert answer.status_code == 200
    assert is_harmless(main(answer))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_an_overview_is_shown_harmlessly(text, visit, core):
    core.stats["domains"][0]["author_domain"] = text
    core.status = told.status(problems=[text], selector=text, key_seen_at=text)
    assert is_harmless(main(visit("olivia").get(OVERVIEW)))


@pytest.mark.parametrize("text", [MARKUP, QUOTES, BIDI, CONTROL])
def test_what_stands_in_settings_is_shown_harmlessly(text, visit, core):
    core.settings = told.settings(
        settings=[
            told.setting(
                "mode", text, choices=["sv", text], help=text, origin=f"domain {text}"
            ),
            told.setting("sign_headers", [text], origin="site"),
        ],
        allowed_identities=[text],
        problem=text,
    )
    answer = visit("olivia").get(SETTINGS)
    assert answer.status_code == 200
    assert "<script>alert" not in main(answer)
    assert "\u202e" not in words(main(answer))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_keys_are_shown_harmlessly(text, visit, core):
    core.keys = [told.key(**dict.fromkeys(("algorithm", "state", "problem"), text))]
    assert is_harmless(main(visit("admin").get(KEYS)))


@pytest.mark.parametrize("text", HOSTILE[:2])
def test_what_was_searched_for_is_shown_harmlessly(text, visit):
    page = main(visit("olivia").get(HISTORY, {"q": text[:200], "verdict": text}))
    assert is_harmless(page)


def test_a_name_of_a_post_leads_nowhere_else(visit, core):
    core.entries = [told.entry(author_domain="x&since=1#y", author="")]
    core.stats["domains"][0]["author_domain"] = "x&since=1#y"
    page = html(visit("olivia").get(OVERVIEW))
    assert "?from_domain=x%26since%3D1%23y&amp;since=2026" in page


# Text


@given(st.text())
def test_what_is_shown_is_one_line_that_moves_nothing(text):
    line = shown(text)
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not [
        each
        for each in line
        if unicodedata.category(each) in bad and each not in "\u200c\u200d"
    ]


@given(st.text(st.characters(codec="utf-8"), max_size=1000), st.integers(0, 100))
def test_what_is_shown_is_short(text, limit):
    assert len(shown(text, limit)) <= limit + 1


@given(st.text(alphabet="aé漢 ñ-", max_size=MAX_SHOWN))
def test_plain_text_is_shown_as_it_is(text):
    assert shown(text) == text


@given(st.text())
def test_no_cell_begins_a_formula(text):
    assert not guarded(text).lstrip().startswith(("=", "+", "-", "@"))


def test_scripts_that_join_letters_can_be_read():
    assert shown("क\u094d\u200dष") == "क\u094d\u200dष"
