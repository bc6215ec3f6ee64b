"""Run targets under atheris, which is libFuzzer for Python.

A run is a process of its own, because atheris watches only what is imported
after it and ends the process when it is done.  It begins with the target's
seeds and forgets what else it tried, unless a directory to keep that in is
given beside the flags, which are libFuzzer's.

A plain run is without atheris, in this process, and a few times as fast.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


ROOT = Path(__file__).parents[2]
TARGETS = tuple(
    sorted(path.stem[5:] for path in Path(__file__).parent.glob("fuzz_*.py"))
)

_TIMEOUT = 20  # seconds; what takes longer is a finding, too
_FLAGS = (f"-timeout={_TIMEOUT}", "-print_final_stats=1")  # later ones win
_MAX_LENGTH = 256  # of an input, unless a seed is longer
_WATCHED = ["mailman_arc.mailauth", "mailman_arc.policy", "mailman_arc.plugin"]
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    runs: int
    seconds: float
    findings: tuple[bytes, ...]  # inputs, to become rows of `SEEDS`
    is_complete: bool
    output: str
    kept: tuple[bytes, ...] = ()  # inputs that reached something new


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def load(name: str) -> ModuleType:
    return importlib.import_module(f"tests.fuzz.fuzz_{name}")


def run_file(path: str) -> int:
    """Run the target that is this file, with the flags of this process."""
    name = Path(path).stem.removeprefix("fuzz_")
    return int(not tell(name, run(name, sys.argv[1:], show=True)).is_complete)


def run(name: str, arguments: Sequence[str], *, show: bool = False) -> Report:
    """Run one target; `show` passes on what libFuzzer prints."""
    if not has_atheris():
        sys.exit("atheris is missing; get it with: pip install --group fuzz")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as path:
        folder = Path(path)
        for each in ("findings", "seeds", "tried"):
            (folder / each).mkdir()
        # The engine has to come before the target, so it is told by name.
        command = [sys.executable, "-m", "tests.fuzz.engine", name, path, *_FLAGS]
        command += [f"-artifact_prefix={folder / 'findings'}/", *arguments]
        if all(argument.startswith("-") for argument in arguments):
            command.append(str(folder / "tried"))
        if not any(Path(argument).is_file() for argument in arguments):
            command.append(str(folder / "seeds"))
        output, status = _follow(command, show=show)
        findings = tuple(
            octets
            for file, octets in _files(folder / "findings")
            if not file.startswith("slow-unit-")
        )
        kept = tuple(octets for _, octets in _files(folder / "tried"))
    found = _RUNS.search(output)
    runs = int(found[1]) if found else 0
    seconds = time.monotonic() - started
    return Report(runs, seconds, findings, not status, output, kept)


def run_plain(
    target: ModuleType, runs: int, seed: int | None = None, kept: Sequence[bytes] = ()
) -> Report:
    """Run one target without feedback, until the first finding."""
    started = time.monotonic()
    signal.signal(signal.SIGALRM, _stop)
    inputs = derived_inputs(target, random.Random(seed), kept)
    for number, octets in zip(range(1, runs + 1), inputs, strict=False):
        signal.alarm(_TIMEOUT)
        try:
            target.check(octets)
        except Exception:  # noqa: BLE001  whatever it is, it is a finding
            seconds = time.monotonic() - started
            return Report(number, seconds, (octets,), False, traceback.format_exc())
        finally:
            signal.alarm(0)
    return Report(runs, time.monotonic() - started, (), True, "")


def derived_inputs(
    target: ModuleType, chance: random.Random, kept: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """Seeds and octets by chance, with pieces replaced; without end."""
    seeds = (*target.SEEDS, *kept)
    while True:
        octets = chance.choice(seeds)
        if chance.random() < 0.25:
            octets = chance.randbytes(chance.randrange(60))
        for _ in range(chance.randrange(1, 5)):
            start = chance.randrange(len(octets) + 1)
            end = start + chance.choice((0, 1, 4, 30))
            octets = octets[:start] + _piece(target, chance, seeds) + octets[end:]
        yield octets


def _piece(target: ModuleType, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    match chance.randrange(8):
        case 0:
            return chance.randbytes(1)
        case 1:
            return chance.randbytes(2)
        case 2:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            return other[start : start + chance.randrange(60)]
        case _:
            word: bytes = chance.choice(target.WORDS)
            return word


def _stop(*_: object) -> None:
    raise TimeoutError


def tell(name: str, report: Report, kind: str = "runs") -> Report:
    """Say how a run ended, in a line and in rows for the findings."""
    rate = report.runs / report.seconds
    lines = [
        f"{name}: {report.runs:,} {kind} in {report.seconds:.0f} s ({rate:,.0f}/s), "
        f"{len(report.findings)} findings"
    ]
    for finding in report.findings:
        lines += [f"  row for SEEDS in fuzz_{name}.py:", f"    {finding!r},"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return report


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]


def _follow(command: Sequence[str], *, show: bool) -> tuple[str, int]:
    lines = []
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if show:
                sys.stdout.write(line)
    return "".join(lines), process.returncode


def _fuzz(name: str, path: str, arguments: Sequence[str]) -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=_WATCHED):
        target = load(name)
    folder = Path(path)
    for number, seed in enumerate(target.SEEDS):
        (folder / "seeds" / str(number)).write_bytes(seed)
    dictionary = folder / "dictionary"
    dictionary.write_text("".join(map(_entry, dict.fromkeys(target.WORDS))))
    longest = max(_MAX_LENGTH, *map(len, target.SEEDS))
    flags = [f"-dict={dictionary}", f"-max_len={longest}", *arguments]
    atheris.Setup([name, *flags], target.check)
    atheris.Fuzz()


def _entry(word: bytes) -> str:
    return '"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n'


if __name__ == "__main__":
    _fuzz(sys.argv[1], sys.argv[2], sys.argv[3:])
