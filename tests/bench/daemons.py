"""rspamd and OpenDKIM, which do a message more than ARC and DKIM.

What a message costs them anyway is measured beside and taken off: rspamd scans
the same message without its modules for both, OpenDKIM one that has no
signature to verify.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.cases import AUTHOR, KB, MB, Post, chains, plain_post, signed, zone
from tests.bench.measure import Ratio, Timing, Work, side_by_side
from tests.bench.peers import Ours, Peers, text_of
from tests.bench.report import Report, Target, milliseconds
from tests.bench.tables import Plan, ratio_text
from tests.interop.others import find_opendkim
from tests.interop.rspamd import Rspamd


_SIZES = (2 * KB, 20 * KB, 5 * MB)
_LENGTHS = (1, 3, 10)  # rspamd takes no longer chain
# As many times as long as elsewhere are the rounds: differences are small.
_LONGER = 10


@dataclass(frozen=True, slots=True)
class Daemon:
    """How it does a message with all it knows, and how without DKIM and ARC."""

    name: str
    tasks: tuple[str, ...]
    whole: Callable[[str, Post], Work]
    bare: Callable[[Post], Work]


def daemons(report: Report, peers: Peers, plan: Plan) -> None:
    """What their verifying costs beside ours."""
    report.heading(
        "rspamd and OpenDKIM: verify n sets, n DKIM signatures",
        ["all", "without", "difference", "ours", "all/ours", "difference/ours"],
        "all: the whole message; without: the same but for ARC and DKIM.  Reading\n"
        "the message is in both, so not in the difference, but it is in ours.  Of a\n"
        "chain rspamd verifies n+1 signatures, ours 2n.",
    )
    values: dict[str, dict[str, float]] = {"rspamd": {}, "OpenDKIM": {}}
    with _all_daemons() as (present, left_out):
        for line in left_out:
            report.line(line)
        for task, post in _cases(plan):
            for daemon in present:
                if task in daemon.tasks:
                    label = f"{daemon.name} {task} {post.label}, n = {post.count}"
                    ratio = _row(report, plan, daemon, task, post, label)
                    values[daemon.name][label] = ratio.least
    for name, found in values.items():
        report.target(Target("V3", f"{name} / ours", found, 1, at_least=True))


def _cases(plan: Plan) -> Iterator[tuple[str, Post]]:
    for size in _SIZES:
        if size > max(plan.sizes):
            continue
        post = plain_post(size)
        # In a text rspamd would look at every word.
        octets = post.octets.replace(b"text/plain; charset=utf-8", b"image/png")
        post = replace(post, octets=octets)
        for chain in chains(post, [each for each in _LENGTHS if each in plan.lengths]):
            yield "arc", chain
        yield "dkim", signed(post, 1)


def _row(
    report: Report, plan: Plan, daemon: Daemon, task: str, post: Post, label: str
) -> Ratio:
    ours = Ours().work(task, post)
    assert ours is not None
    works = {"whole": daemon.whole(task, post), "bare": daemon.bare(post), "ours": ours}
    times = side_by_side(
        {name: _longer(work) for name, work in works.items()}, plan.effort
    )
    each = zip(times["whole"].rounds, times["bare"].rounds, strict=False)
    difference = Timing(tuple(whole - bare for whole, bare in each))
    least = times["whole"].least - times["bare"].least
    ratio = Ratio(least / times["ours"].least, difference.over(times["ours"]).median)
    report.row(
        label,
        milliseconds(times["whole"].least),
        milliseconds(times["bare"].least),
        milliseconds(least),
        milliseconds(times["ours"].least),
        ratio_text(times["whole"].over(times["ours"])),
        ratio_text(ratio),
    )
    return ratio


def _longer(work: Work) -> Work:
    return lambda count: work(count * _LONGER) / _LONGER


@contextmanager
def _all_daemons() -> Iterator[tuple[list[Daemon], list[str]]]:
    present, left_out = [], []
    records = {name: text_of(found) for name, found in zone().items()}
    with ExitStack() as stack:
        if shutil.which("rspamd"):
            present.append(_rspamd(records, stack))
        else:
            left_out.append("rspamd: left out: not here")
        program = find_opendkim()
        if program:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            present.append(_opendkim(program, records, Path(folder)))
        else:
            left_out.append("OpenDKIM: left out: not here")
        yield present, left_out


def _rspamd(records: Mapping[str, str], stack: ExitStack) -> Daemon:
    knowing = stack.enter_context(Rspamd(records, ("dkim", "arc")))
    ignorant = stack.enter_context(Rspamd(records, ()))

    def whole(task: str, post: Post) -> Work:
        opinion = knowing.opinion(post.octets)
        passed = opinion.arc if task == "arc" else opinion.dkim_of(AUTHOR.domain)
        assert passed == "pass", (task, post.label, opinion)
        return _scanning(knowing, post)

    return Daemon(
        "rspamd", ("arc", "dkim"), whole, lambda post: _scanning(ignorant, post)
    )


def _scanning(rspamd: Rspamd, post: Post) -> Work:
    def work(count: int) -> float:
        before = rspamd.cpu_seconds()
        for _ in range(count):
            rspamd.scan(post.octets)
        return rspamd.cpu_seconds() - before

    return work


def _opendkim(program: str, records: Mapping[str, str], folder: Path) -> Daemon:
    keys = "".join(f"{name} {text}\n" for name, text in records.items())
    (folder / "keys").write_text(keys)
    settings = f"TestPublicKeys {folder}/keys\nRequireSafeKeys no\nOn-Default reject\n"
    (folder / "conf").write_text(settings)
    command = [program, "-x", f"{folder}/conf", "-b", "v", "-v", "-t"]

    def reading(post: Post, said: str) -> Work:
        path = folder / f"{post.label}-{post.signatures}"
        path.write_bytes(post.octets)

        def work(count: int) -> float:
            return _cpu_of([*command, ",".join([str(path)] * count)], said)

        return work

    return Daemon(
        "OpenDKIM",
        ("dkim",),
        lambda _, post: reading(post, "succeeded"),
        lambda post: reading(plain_post(post.size), "message not signed"),
    )


def _cpu_of(command: list[str], said: str) -> float:
    """Run a command that says so in the end; give its CPU seconds."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    assert lines, command
    assert lines[-1].endswith(said), lines[-1]
    return usage.ru_utime + usage.ru_stime
