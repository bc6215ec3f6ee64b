"""`python -m tests.fuzz [-runs=N] [--plain=N] [targets]` runs all targets, or these.

`-runs` (a million) are under atheris, which keeps inputs that reach something
new and goes on from there.  `--plain` (none) are that many more without it:
seeds and what atheris has kept, with pieces replaced by chance, which is faster
and finds less.  Each kind is counted in a line of its own.

Other flags are libFuzzer's.  Each target is a program, too:
`python tests/fuzz/fuzz_tags.py -runs=1000000 -max_total_time=60`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from tests.fuzz.engine import TARGETS, Report, load, run, run_plain, tell


RUNS = 1_000_000  # of each target

_LAST_LINES = 40


def main(arguments: Sequence[str]) -> int:
    """Run targets one after the other; 1 if one did not come to its end."""
    flags = [argument for argument in arguments if argument.startswith("-")]
    names = [argument for argument in arguments if argument not in flags]
    unknown = set(names).difference(TARGETS)
    if unknown:
        sys.stderr.write(f"No such target: {', '.join(sorted(unknown))}.\n")
        sys.stderr.write(f"There are: {', '.join(TARGETS)}.\n")
        return 2
    status = 0
    for name in names or TARGETS:
        for report in reports(name, flags):
            if not report.is_complete:
                status = 1
                last = report.output.splitlines(keepends=True)[-_LAST_LINES:]
                sys.stdout.write("".join(last))
    return status


def reports(name: str, flags: Sequence[str]) -> Iterator[Report]:
    """Run one target in both ways, the second unless the first has a finding."""
    plain = _number(flags, "--plain") or 0
    others = [flag for flag in flags if not flag.startswith("--plain=")]
    report = run(name, [f"-runs={RUNS}", *others])
    yield tell(name, report)
    if plain and report.is_complete:
        report = run_plain(load(name), plain, _number(flags, "-seed"), report.kept)
        yield tell(name, report, "plain runs")


def _number(flags: Sequence[str], name: str) -> int | None:
    found = [flag for flag in flags if flag.startswith(name + "=")]
    return int(found[-1].partition("=")[2]) if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
