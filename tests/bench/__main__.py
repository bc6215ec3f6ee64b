"""Print the tables: all of them, or those that are named."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable

import cryptography

from tests.bench import (
    daemons,
    history,
    hostile,
    lookups,
    mailman_costs,
    memory,
    startup,
    tables,
)
from tests.bench.cases import KB
from tests.bench.measure import Effort
from tests.bench.peers import Peers, all_peers
from tests.bench.report import Report
from tests.bench.tables import Plan


TABLES: dict[str, Callable[[Report, Peers, Plan], None]] = {
    "verify": tables.verify,
    "seal": tables.seals,
    "dkim": tables.signatures,
    "arrival": tables.arrivals,
    "body": tables.bodies,
    "daemons": daemons.daemons,
    "hostile": hostile.hostile,
    "memory": memory.memory,
    "lookups": lookups.lookups,
    "startup": startup.startup,
    "mailman": mailman_costs.mailman,
    "history": history.history,
}
QUICK = Plan(
    sizes=(2 * KB, 200 * KB),
    text_sizes=(200 * KB,),
    lengths=(0, 1, 10),
    effort=Effort(rounds=5, seconds=0.5),
    hostile_share=1 / 16,
    patience=2,
    history_rows=10_000,
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small messages only")
    parser.add_argument("names", nargs="*", choices=[*TABLES, []], metavar="table")
    chosen = parser.parse_args()
    report = Report(sys.stdout.write)
    run(report, QUICK if chosen.quick else Plan(), chosen.names or list(TABLES))


def run(report: Report, plan: Plan, names: list[str]) -> None:
    """Measure these tables."""
    report.line(
        f"Python {platform.python_version()}, cryptography "
        f"{cryptography.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    report.line("Ratios of the quickest rounds, in brackets the median; CPU time.")
    with all_peers() as peers:
        for line in peers.left_out:
            report.line(line)
        for name in names:
            TABLES[name](report, peers, plan)
    report.line()
    report.line("== All targets")
    for target in report.targets:
        report.line(str(target))


if __name__ == "__main__":
    main()
