"""All errors of a configuration, and none that is only a consequence of another."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.policy.checking import MAX_READINGS, find_problems, given_name
from mailman_arc.policy.configuration import SectionError, parse_configuration
from mailman_arc.policy.settings import SETTINGS


SITE = {"domain": "lists.example", "selector": "arc", "key_file": "/arc.pem"}
PRESS = {"domain": "press.example", "selector": "s", "key_file": "/press.pem"}

ROWS = {
    "nothing": ({"arc": SITE}, []),
    "two in one section": (
        {"arc": {**SITE, "selektor": "x", "dns_timeout": "soon"}},
        [("arc", "selektor"), ("arc", "dns_timeout")],
    ),
    "by another name": (
        {"arc": {**SITE, "arc_mode": "x"}},
        [("arc", "arc_mode")],
    ),
    "in several sections": (
        {
            "arc": {**SITE, "mode": "x"},
            "domain.lists.example": {"mode": "y"},
            "identity.press": {**PRESS, "selector": ".."},
        },
        [
            ("arc", "mode"),
            ("domain.lists.example", "mode"),
            ("identity.press", "selector"),
        ],
    ),
    "a section that is none": (
        {"arc": SITE, "lists": {"a": "b"}, "domain.-": {}},
        [("lists", "lists"), ("domain.-", "domain.-")],
    ),
    "the domain, without which the site has no name": (
        {"arc": {**SITE, "domain": "?"}},
        [("arc", "domain")],
    ),
    "a site without a name": ({"arc": {"mode": "x"}}, [("arc", "mode")]),
    "nothing but a site without a name": ({"arc": {}}, [("arc", "authserv_id")]),
    "an identity that lacks something": (
        {"arc": SITE, "identity.press": {"selector": "s", "key_file": "/s.pem"}},
        [("identity.press", "domain")],
    ),
    "who names an identity that could not be read": (
        {
            "arc": SITE,
            "domain.press.example": {"identity": "press"},
            "identity.press": {**PRESS, "selector": ".."},
        },
        [("identity.press", "selector")],
    ),
    "two domains that name identities not there": (
        {
            "arc": SITE,
            "domain.a.example": {"identity": "a"},
            "domain.b.example": {"identity": "b"},
        },
        [("domain.a.example", "identity"), ("domain.b.example", "identity")],
    ),
    "a site that names an identity not there": (
        {"arc": {**SITE, "identity": "x"}},
        [("arc", "identity")],
    ),
    "two keys of one name": (
        {
            "arc": SITE,
            "identity.b": {
                "domain": "lists.example",
                "selector": "arc",
                "privkey": "/b",
            },
        },
        [("arc", "key_file")],
    ),
    # Mailman keeps the case of sections.
    "a section written in another way": (
        {"arc": SITE, "domain.A.example": {"identity": "a"}},
        [("domain.a.example", "identity")],
    ),
    "the same in upper case": (
        {"arc": SITE, "domain.a.example": {"IDENTITY": "a"}},
        [("domain.a.example", "identity")],
    ),
}


@pytest.mark.parametrize(("sections", "expected"), ROWS.values(), ids=ROWS)
def test_all_problems_are_found(sections, expected):
    found = find_problems(sections)

    assert [(each.section, each.name) for each in found] == expected


def test_there_is_a_limit():
    texts = {f"x{number}": "" for number in range(2 * MAX_READINGS)}

    assert len(find_problems({"arc": {**SITE, **texts}})) == MAX_READINGS


@pytest.mark.parametrize(
    ("texts", "name", "given"),
    [
        ({"Mode": "v"}, "mode", "Mode"),
        ({"x": "", "privkey": "/a"}, "key_file", "privkey"),
        ({"x": ""}, "x", "x"),
        ({"mode": "v"}, "identity", "identity"),
    ],
)
def test_a_setting_is_found_by_any_of_its_names(texts, name, given):
    assert given_name(texts, name) == given


NAMES = st.sampled_from([*(each.name for each in SETTINGS), "privkey", "x", "Mode"])
TEXTS = st.dictionaries(NAMES, st.sampled_from(["", "a.example", "sv", "1", "press"]))
SECTIONS = st.dictionaries(
    st.sampled_from(
        ["domain.a.example", "domain.A.example", "identity.press", "identity. b", "y"]
    ),
    TEXTS,
)


@given(TEXTS, SECTIONS)
def test_there_are_problems_just_when_it_cannot_be_read(site, more):
    sections = {"arc": site, **more}
    problems = find_problems(sections)
    if not problems:
        parse_configuration(sections)
        return
    with pytest.raises(SectionError) as caught:
        parse_configuration(sections)
    assert str(problems[0]) == str(caught.value)
