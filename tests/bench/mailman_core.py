"""One Mailman, in a process of its own: posts go through its real parts.

Started by `tests.bench.mailman_costs`; reads one task in JSON per line and
answers with one.  Door and runners are Mailman's own classes (or ours, as
mailman.cfg says), called one after the other, so that what the process takes
is what all runners take together, without their waiting.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, suppress
from email.feedparser import FeedParser
from email.generator import Generator
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import Envelope
from mailman.config import config
from mailman.core.initialize import initialize
from mailman.handlers import validate_authenticity
from mailman.handlers.arc_sign import ARCSign


DOMAIN = "lists.example"
LIST = f"list@{DOMAIN}"
READERS = f"readers@{DOMAIN}"  # a list with as many members as a task wants
AUTHOR = "ann@author.example"
MEMBERS = [f"member{number}@members.example" for number in range(20)]
STAGES = ("lmtp", "in", "pipeline", "out")  # a post's way

# What is looked at more closely: who does it, and what it is called here.
JUDGE, ANNOTATE, HANDLE = "judge", "annotate", "handle"
SEAL, WRITE, RISKS = "seal", "write", "risks"
FLATTEN, PARSE = "flatten", "parse"
TELL, KEEP = "tell", "keep"  # of the history: where the post waits, and beside it


class Meter:
    """CPU time and number of calls of some functions; those inside do not count."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._within: set[str] = set()

    @contextmanager
    def _counting(
        self, name: str, clock: Callable[[], float] = time.process_time
    ) -> Any:
        if name in self._within:
            yield
            return
        self._within.add(name)
        started = clock()
        try:
            yield
        finally:
            self.seconds[name] += clock() - started
            self.calls[name] += 1
            self._within.discard(name)

    def watch(
        self,
        owner: Any,
        function: str,
        name: str,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Count this function, whoever calls it."""
        original = getattr(owner, function)

        def counted(*args: Any, **kws: Any) -> Any:
            with self._counting(name, clock):
                return original(*args, **kws)

        async def counted_later(*args: Any, **kws: Any) -> Any:
            with self._counting(name):
                return await original(*args, **kws)

        is_later = asyncio.iscoroutinefunction(original)
        setattr(owner, function, counted_later if is_later else counted)

    def take(self) -> dict[str, Any]:
        """All there is, and begin anew."""
        taken = {"seconds": dict(self.seconds), "calls": dict(self.calls)}
        self.seconds.clear()
        self.calls.clear()
        return taken


class Core:
    """The parts of Mailman that a post passes."""

    def __init__(self, folder: Path, plugin: bool) -> None:
        initialize(str(folder / "etc/mailman3/mailman.cfg"))
        records = json.loads((folder / "zone.json").read_text())
        validate_authenticity.dnsfunc = _dns_in_memory(records)
        self._meter = Meter()
        _watch(self._meter, plugin=plugin)
        self._loop = asyncio.new_event_loop()
        self._handler = _door(plugin=plugin)
        self._runners = _runners()
        self._flush = _flush if plugin else _do_nothing
        _make_lists(folder)

    def answer(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a task says, and tell what it took."""
        octets = Path(task["path"]).read_bytes()
        deliver = self._prepare(octets, task) if "recipients" in task else None
        self._meter.take()
        stages: Counter[str] = Counter()
        for _ in range(task["count"]):
            if deliver is None:
                self._pass(octets, stages)
            else:
                stages["out"] += deliver()
        return {"stages": dict(stages), **self._meter.take()}

    def _pass(self, octets: bytes, stages: Counter[str]) -> None:
        """One post from the mail server to the mail server."""
        for stage in STAGES:
            started = time.process_time()
            if stage == "lmtp":
                self._hand_in(octets)
            else:
                self._runners[stage]._one_iteration()
            # Each stage has a process of its own, which writes what it has.
            self._flush()
            stages[stage] += time.process_time() - started
            self._meter.calls[f"{FLATTEN} {stage}"] += self._meter.calls.pop(FLATTEN, 0)
        assert not config.switchboards["shunt"].files

    def _hand_in(self, octets: bytes) -> None:
        envelope = Envelope()
        envelope.mail_from = AUTHOR
        envelope.rcpt_tos = [LIST]
        envelope.content = octets
        said = self._loop.run_until_complete(
            self._handler.handle_DATA(None, None, envelope)
        )
        assert said == "250 Ok", said

    def _prepare(self, octets: bytes, task: Mapping[str, Any]) -> Callable[[], float]:
        """Take the post as far as the outgoing queue, for another delivery."""
        self._hand_in(octets)
        for stage in STAGES[1:-1]:
            self._runners[stage]._one_iteration()
        queue = config.switchboards["out"]
        [filebase] = queue.files
        msg, msgdata = queue.dequeue(filebase)
        queue.finish(filebase)
        runner = self._runners["out"]
        recipients = [f"reader{n}@members.example" for n in range(task["recipients"])]
        mlist = _readers(recipients)
        msgdata |= {"recipients": recipients, "verp": task["verp"]}
        if not task["footer"]:
            msgdata["nodecorate"] = True

        def deliver() -> float:
            # As it is after being read from the queue.
            fresh, data = copy.deepcopy(msg), copy.deepcopy(msgdata)
            started = time.process_time()
            runner._func(mlist, fresh, data)
            return time.process_time() - started

        return deliver


def _watch(meter: Meter, *, plugin: bool) -> None:
    meter.watch(Generator, "flatten", FLATTEN)
    meter.watch(FeedParser, "close", PARSE)
    meter.watch(validate_authenticity.ValidateAuthenticity, "process", HANDLE)
    meter.watch(ARCSign, "process", SEAL)
    if plugin:
        from mailman_arc.plugin import delivery, door, history, reception, sealing
        from mailman_arc.plugin.handlers.authenticate import Authenticate
        from mailman_arc.plugin.historywriter import History

        meter.watch(door.DoorKeeper, "judge", JUDGE)
        meter.watch(door, "_annotate", ANNOTATE)
        meter.watch(Authenticate, "process", HANDLE)
        meter.watch(delivery._Run, "octets_for", SEAL)
        meter.watch(sealing, "to_octets", WRITE)
        meter.watch(sealing, "needs_encoding", RISKS)
        for owner, function in (
            (reception, "_telling"),
            (door, "_note_arrival"),
            (history, "begin"),
            (delivery._Run, "tell_history"),
        ):
            meter.watch(owner, function, TELL, time.thread_time)
        meter.watch(History, "write", KEEP, time.thread_time)


def _flush() -> None:
    from mailman_arc.plugin import wiring

    services = wiring.services()
    assert services is not None
    assert services.history.flush(60)


def _do_nothing() -> None:
    pass


def _door(*, plugin: bool) -> Any:
    from mailman.runners.lmtp import LMTPHandler

    if not plugin:
        return LMTPHandler()
    from mailman_arc.plugin.door import QUEUE, AnnotatingQueue, ArcLMTPHandler

    # As the runner does, which would listen, too.
    queue = AnnotatingQueue(config.switchboards[QUEUE])
    config.switchboards[QUEUE] = queue
    return ArcLMTPHandler(queue)


def _runners() -> dict[str, Any]:
    from mailman.runners.incoming import IncomingRunner
    from mailman.runners.outgoing import OutgoingRunner
    from mailman.runners.pipeline import PipelineRunner

    return {
        "in": IncomingRunner("in"),
        "pipeline": PipelineRunner("pipeline"),
        "out": OutgoingRunner("out"),
    }


def _make_lists(folder: Path) -> None:
    from mailman.app.lifecycle import create_list
    from mailman.database.transaction import transaction
    from mailman.interfaces.action import Action
    from mailman.interfaces.archiver import ArchivePolicy
    from mailman.interfaces.domain import IDomainManager
    from mailman.interfaces.template import ITemplateManager
    from zope.component import getUtility

    footer = folder / "footer.txt"
    footer.write_text("-- \n$display_name, for $user_email\n")
    with transaction():
        getUtility(IDomainManager).add(DOMAIN)
        for address in (LIST, READERS):
            made = create_list(address)
            made.default_nonmember_action = Action.accept
            made.archive_policy = ArchivePolicy.never
            made.digests_enabled = False
            made.send_welcome_message = False
            made.max_message_size = 0
            getUtility(ITemplateManager).set(
                "list:member:regular:footer", made.list_id, footer.as_uri()
            )
    _subscribe(LIST, MEMBERS)


def _readers(addresses: Iterable[str]) -> Any:
    """A list with these members, at least."""
    mlist = _find_list(READERS)
    known = {address.email for address in mlist.members.addresses}
    _subscribe(READERS, [each for each in addresses if each not in known])
    return mlist


def _subscribe(to: str, addresses: Iterable[str]) -> None:
    from mailman.database.transaction import transaction
    from mailman.interfaces.usermanager import IUserManager
    from mailman.utilities.datetime import now
    from zope.component import getUtility

    with transaction():
        for email in addresses:
            address = getUtility(IUserManager).create_address(email)
            address.verified_on = now()
            _find_list(to).subscribe(address)


def _find_list(address: str) -> Any:
    from mailman.interfaces.listmanager import IListManager
    from zope.component import getUtility

    return getUtility(IListManager).get(address)


def _dns_in_memory(records: Mapping[str, str]) -> Callable[..., str | bytes | None]:
    """What Mailman's own check asks; it wants octets for keys and text for DMARC."""

    def look_up(name: str | bytes, timeout: float = 5) -> str | bytes | None:
        is_text = isinstance(name, str)
        text = name if isinstance(name, str) else name.decode()
        found = records.get(text.rstrip("."))
        return found if is_text or found is None else found.encode()

    return look_up


def main() -> None:
    """Read tasks until there are no more."""
    folder, plugin = Path(sys.argv[1]), sys.argv[2] == "plugin"
    core = Core(folder, plugin)
    with suppress(BrokenPipeError):
        for line in sys.stdin:
            print(json.dumps(core.answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
