"""The pages in Japanese: complete, and with the same placeholders."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override
from django.utils.translation.template import templatize

from mailman_arc import web
from mailman_arc.web import words
from tests.web import told
from tests.web.browser import HISTORY, KEYS, OVERVIEW, SETTINGS, main, post_address


HOME = Path(web.__file__).parent
CATALOG = HOME / "locale/ja/LC_MESSAGES/django"
_MARKS = ("_", "gettext", "gettext_lazy", "gettext_noop")
_CALL = re.compile(
    r"\bn?gettext\((\"\"\".*?\"\"\"|u?'(?:\\.|[^'])*'|u?\"(?:\\.|[^\"])*\")"
)
_PLACEHOLDER = re.compile(r"%\(\w+\)s|<[^>]*>|`[^`]*`")


def in_python() -> Iterator[str]:
    for path in HOME.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(str(text)), *_]) if (
                    name in _MARKS
                ):
                    yield text


def in_templates() -> Iterator[str]:
    for path in HOME.rglob("*.html"):
        for call in _CALL.finditer(templatize(path.read_text(encoding="utf-8"))):
            yield ast.literal_eval(call[1])


def in_file() -> dict[str, str]:
    """What the source of the catalog has: the first form of each translation."""
    text = CATALOG.with_suffix(".po").read_text(encoding="utf-8")
    entry = re.compile(
        r'^msgid (".*")\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? (".*")$', re.MULTILINE
    )
    found = {ast.literal_eval(a): ast.literal_eval(b) for a, b in entry.findall(text)}
    return {source: target for source, target in found.items() if source}


def in_catalog() -> dict[str, str]:
    """What the compiled catalog has."""
    with CATALOG.with_suffix(".mo").open("rb") as file:
        loaded = gettext.GNUTranslations(file)._catalog
    plain = {
        key[0] if isinstance(key, tuple) else key: value
        for key, value in loaded.items()
    }
    return {source: target for source, target in plain.items() if source}


USED = sorted({*in_python(), *in_templates()})


def test_texts_are_found_where_they_are():
    assert {"Authentication", "Confirmed", "%(n)s post found."} <= set(USED)
    assert len(USED) > 200


def test_every_text_is_translated():
    translated = in_catalog()
    assert [each for each in USED if not translated.get(each)] == []


def test_nothing_is_translated_that_is_not_used():
    assert sorted(set(in_file()) - set(USED)) == []


def test_the_compiled_catalog_is_that_of_its_source():
    assert in_catalog() == in_file()


@pytest.mark.parametrize("source", sorted(in_catalog()))
def test_a_translation_has_the_placeholders_of_its_source(source):
    target = in_catalog()[source]
    expected = set(_PLACEHOLDER.findall(source))
    assert set(_PLACEHOLDER.findall(target)) == expected


def test_the_pages_are_in_japanese_for_those_who_want_it(visit, core):
    client = visit("admin")
    for address in (
        OVERVIEW, HISTORY, SETTINGS, KEYS, post_address(core.entries[0]),
    ):  # fmt: skip
        page = main(client.get(address, HTTP_ACCEPT_LANGUAGE="ja"))
        assert re.search("[ぁ-ん]", page), address


def test_japanese_says_what_english_says(visit):
    page = main(visit("olivia").get(OVERVIEW, HTTP_ACCEPT_LANGUAGE="ja"))
    assert "投稿は lists.example.org として封緘されます" in page


# What the plugin says, word by word


def test_every_reason_for_no_seal_is_known():
    outbound = pytest.importorskip("mailman_arc.policy.outbound")
    assert set(map(str, outbound.Unsealed)) - set(words.REASONS) == set()


def test_every_setting_of_a_list_is_known_with_its_help_and_choices():
    policy = pytest.importorskip("mailman_arc.policy.settings")
    of_lists = [each for each in policy.SETTINGS if each.scope is policy.Scope.LIST]
    assert {each.name for each in of_lists} - set(words.SETTINGS) == set()
    assert {each.help for each in of_lists} - set(words.HELPS) == set()
    for each in of_lists:
        for choice in each.kind.choices:
            assert str(words.choice_label(each.name, choice)) != choice


def test_every_verdict_and_what_became_of_posts_is_known():
    history = pytest.importorskip("mailman_arc.policy.history")
    assert set(words.VERDICTS) == set(history.Verdict)
    assert set(words.DISPOSITIONS) == set(history.Disposition)


def test_every_outcome_of_a_check_is_known():
    explanation = pytest.importorskip("mailman_arc.policy.explanation")
    assert set(words.OUTCOMES) == set(explanation.Outcome)


def test_reasons_are_translated_one_by_one():
    with override("ja"):
        found = words.reasons("no usable key, shadow mode; something new")
    assert found == "使用できる鍵がありません, シャドーモードです; something new"


def test_told_names_stay():
    assert told.status()["state"] in words.STATES
