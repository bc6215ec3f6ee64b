"""Runs Mailman's own tests twice, and tells which the plugin makes a difference to."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mailman.version import VERSION

from tests.mailman_suite.suite import Outcomes, Suite, differences


LIMIT = 7200  # seconds for one run; on a quiet machine it takes some minutes

# Tests that see what the plugin is there for.
BY_DESIGN = {
    "mailman.runners.tests.test_lmtp.TestLMTP.test_alias_domain": (
        "shows a whole post in the queue, which has our results on top"
    ),
    "doctest.lmtp_rst": "shows a whole post in the queue, too",
    "doctest.pipelines_rst": (
        "shows whole posts behind the pipeline, which have our results on top"
    ),
    "doctest.rules_rst": "names all rules, of which arc-results is one",
    "mailman.rest.tests.test_systemconf.TestSystemConfiguration.test_all_sections": (
        "names all sections of mailman.cfg, of which [plugin.arc] is one"
    ),
}


def main() -> None:
    """Read the command line; the exit status is 1 when anything else differs."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mailman_suite", description=__doc__
    )
    parser.add_argument(
        "patterns", nargs="*", help="regular expressions for names; default: all tests"
    )
    patterns = parser.parse_args().patterns
    without = _run(patterns, plugin=False)
    with_plugin = _run(patterns, plugin=True)
    for line in compared(without, with_plugin):
        sys.stdout.write(f"{line}\n")
    if not is_as_expected(without, with_plugin):
        sys.exit(1)


def _run(patterns: Sequence[str], *, plugin: bool) -> Outcomes:
    which = "with" if plugin else "without"
    sys.stdout.write(f"Mailman {VERSION}, {which} the plugin\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="mailman-suite-") as root:
        suite = Suite(Path(root).resolve())
        if plugin:
            suite.enable_plugin()
        return suite.run(patterns, LIMIT)


def is_as_expected(without: Outcomes, with_plugin: Outcomes) -> bool:
    """Tell whether nothing differs but what should."""
    return set(differences(without, with_plugin)) == _expected(without)


def compared(without: Outcomes, with_plugin: Outcomes) -> Iterator[str]:
    """What there is to say of two runs: figures, and each test that differs."""
    runs = {"without": without, "with": with_plugin}
    for which, outcomes in runs.items():
        counts = Counter(each for several in outcomes.values() for each in several)
        told = ", ".join(f"{counts[each]} {each}" for each in sorted(counts))
        yield f"{which} the plugin: {counts.total()} tests, {told}"
    found = differences(without, with_plugin)
    for name in found:
        was, now = (", ".join(each.get(name, ["not run"])) for each in runs.values())
        why = BY_DESIGN.get(name, "NOT EXPECTED")
        yield f"{name}: {was} without, {now} with the plugin; {why}"
    for name in sorted(_expected(without) - set(found)):
        yield f"{name}: does not differ, but should: is the plugin in use?"


def _expected(without: Outcomes) -> set[str]:
    """The tests that should differ, of those that were run."""
    return {*BY_DESIGN} & {*without}


if __name__ == "__main__":
    main()
