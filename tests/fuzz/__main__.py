"""`python -m tests.fuzz [-runs=N] [targets]` runs all targets, or these.

Flags are libFuzzer's.  Each target is a program, too:
`python tests/fuzz/fuzz_tags.py -runs=1000000 -max_total_time=60`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.fuzz.engine import TARGETS, run, tell


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
        report = tell(name, run(name, [f"-runs={RUNS}", *flags]))
        if not report.is_complete:
            status = 1
            last = report.output.splitlines(keepends=True)[-_LAST_LINES:]
            sys.stdout.write("".join(last))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
