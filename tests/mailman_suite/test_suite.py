"""Two runs of Mailman's tests are compared test by test."""

from __future__ import annotations

import pytest

from tests.house.installation import parsed
from tests.mailman_suite.__main__ import BY_DESIGN, compared, is_as_expected
from tests.mailman_suite.suite import INCOMING, Suite, differences, read_outcomes


RESULTS = """\
<testsuite>
  <testcase classname="a.T" name="good"><system-out /></testcase>
  <testcase classname="a.T" name="bad"><failure>x</failure></testcase>
  <testcase classname="a.T" name="worse"><error>x</error></testcase>
  <testcase classname="a.T" name="later"><skipped /></testcase>
  <testcase classname="doctest" name="hold_rst"><failure /></testcase>
  <testcase classname="doctest" name="hold_rst" />
</testsuite>
"""
PASSED = {"a": ["passed"], **{name: ["passed"] for name in BY_DESIGN}}
BY_US = {"a": ["passed"], **{name: ["failure"] for name in BY_DESIGN}}


def test_each_test_has_its_outcomes():
    assert read_outcomes(RESULTS) == {
        "a.T.good": ["passed"],
        "a.T.bad": ["failure"],
        "a.T.worse": ["error"],
        "a.T.later": ["skipped"],
        "doctest.hold_rst": ["failure", "passed"],
    }


@pytest.mark.parametrize(
    "other",
    [
        {"a": ["failure"], "b": ["failure", "passed"]},
        {"a": ["passed"], "b": ["failure", "failure"]},
        {"a": ["passed"]},
        {"a": ["passed"], "b": ["failure", "passed"], "c": ["passed"]},
    ],
)
def test_what_differs_is_found(other):
    without = {"a": ["passed"], "b": ["failure", "passed"]}

    assert differences(without, without) == []
    assert len(differences(without, other)) == 1
    assert len(differences(other, without)) == 1


def test_what_the_plugin_is_there_for_is_expected_and_told_with_the_reason():
    assert is_as_expected(PASSED, BY_US)

    lines = list(compared(PASSED, BY_US))

    for name, why in BY_DESIGN.items():
        assert f"{name}: passed without, failure with the plugin; {why}" in lines


@pytest.mark.parametrize(
    ("without", "with_plugin", "said"),
    [
        (PASSED, {**BY_US, "a": ["error"]}, "a: passed without, error with the plugin"),
        (PASSED, PASSED, "does not differ, but should: is the plugin in use?"),
        ({"a": ["passed"]}, {}, "a: passed without, not run with the plugin"),
    ],
)
def test_anything_else_is_told_and_not_right(without, with_plugin, said):
    assert not is_as_expected(without, with_plugin)
    assert any(said in line for line in compared(without, with_plugin))


def test_the_plugin_has_all_its_places_in_the_configuration(tmp_path):
    suite = Suite(tmp_path)
    before = (tmp_path / "mailman/testing/testing.cfg").read_text(encoding="utf-8")

    suite.enable_plugin()

    cfg = tmp_path / "mailman/testing/testing.cfg"
    assert cfg.read_text(encoding="utf-8").startswith(before)
    found = parsed(cfg)
    assert found["plugin.arc"]["enabled"] == "yes"
    assert found["plugin.arc"]["configuration"] == str(tmp_path / "arc.cfg")
    assert found["mta"]["outgoing"] == "mailman_arc.plugin.delivery.deliver"
    assert found["runner.lmtp"]["class"] == "mailman_arc.plugin.door.ArcLMTPRunner"
    assert found["runner.in"]["class"] == INCOMING
