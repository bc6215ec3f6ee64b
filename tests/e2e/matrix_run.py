"""Send every post to every list of the matrix and look at what comes out."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import dkim

from tests.e2e.house import ANN, AUTHOR, SITE, ZONE, FurnishedHouse, furnished
from tests.e2e.matrix_arrival import WITH_DOOR, WITHOUT_DOOR, arrivals
from tests.e2e.matrix_features import (
    FEATURES,
    HTML_TO_TEXT,
    SITES,
    Feature,
    Where,
)
from tests.e2e.matrix_history import (
    Entry,
    Happened,
    Histories,
    disagreements,
    missing_in_story,
    told_of,
    wait_for_histories,
)
from tests.e2e.matrix_notices import NEVER, Notice, cause_notices, remembered
from tests.e2e.matrix_posts import Post, all_posts, number_of
from tests.house import lmtp, oracles
from tests.house.lists import MailingList
from tests.house.sink import At, Delivery


PATIENCE = 900  # seconds, on a machine that has much else to do
QUIET = 5  # seconds without anything in a queue: nothing more will come
VOUCHER = b"x-mailman-arc-arrival"
OUTER = "outer"  # the list of which `inner` is a member
SHOWN = "a chain that passes"  # the post whose story is read, too

Key = tuple[Feature, Post]
Log = Mapping[tuple[str, str], Sequence[str]]  # lines by Message-ID and list


def all_keys() -> list[Key]:
    """Every row of the matrix with every post it takes."""
    return [
        (feature, post)
        for feature in FEATURES
        for post in all_posts().values()
        if feature.takes(post)
    ]


def arrival_keys() -> list[Key]:
    """The posts that are hard to judge, with the door and without."""
    return [
        (feature, post)
        for feature in (WITH_DOOR, WITHOUT_DOOR)
        for post in arrivals().values()
    ]


@dataclass(slots=True)
class Cell:
    """What became of one post to one list."""

    copies: list[Delivery] = field(default_factory=list)
    arrival: str = ""  # as the log has it
    outcomes: set[str] = field(default_factory=set)  # as the log has them
    refusal: str = ""  # why Mailman did not take it
    remarks: str = ""  # as the log has them
    problems: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)  # by the history
    is_author_signed: bool = False  # still, in all copies

    @property
    def outcome(self) -> str:
        return " / ".join(sorted(self.outcomes)) or "nothing in the log"

    @property
    def seals(self) -> int:
        """How many different messages there are."""
        return len({copy.octets for copy in self.copies})


@dataclass(slots=True)
class Found:
    """What a run has found; `trouble` is what concerns no single cell.

    `surplus` has entries of the history that are about none of the posts, and
    `beside_notices` what is not told, or wrongly, of posts that caused notices.
    """

    cells: dict[Key, Cell] = field(default_factory=dict)
    notices: dict[Notice, Cell] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    surplus: list[object] = field(default_factory=list)
    beside_notices: list[str] = field(default_factory=list)


class Judges:
    """The other implementations, each asked once about the same octets."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[oracles.Opinion]] = {}

    def on(self, octets: bytes) -> list[oracles.Opinion]:
        """What they say about a message."""
        if octets not in self._known:
            self._known[octets] = oracles.opinions(octets, ZONE)
        return self._known[octets]

    def against(self, octets: bytes, *, ended: bool) -> Iterator[str]:
        """What they say against a sealed copy, `ended` when its chain is broken."""
        wanted = "fail" if ended else "pass"
        for opinion in self.on(octets):
            if opinion.arc != wanted:
                yield f"{opinion.by}: arc={opinion.arc}, not {wanted} {opinion.detail}"
        if ended:
            yield from against_newest_set(octets)

    def say_author_signed(self, octets: bytes) -> bool:
        """Tell whether all accept a signature of the author."""
        return all(each.dkim_of(AUTHOR.name) == "pass" for each in self.on(octets))


def against_newest_set(octets: bytes) -> Iterator[str]:
    """What is wrong with the newest set, which alone is sealed with cv=fail.

    Others say just that the chain has failed, so dkimpy is asked about the
    message without the older sets.
    """
    instances = re.findall(rb"(?im)^arc-seal:\s*i=(\d+)", octets)
    newest = max(map(int, instances))
    older = rb"(?im)^arc-[a-z-]+:[ \t]*(?:\r\n[ \t]+)?i=(?!%d;).*\r\n(?:[ \t].*\r\n)*"
    head, empty, body = octets.partition(b"\r\n\r\n")
    alone = dkim.ARC(re.sub(older % newest, b"", head + b"\r\n") + empty[2:] + body)
    _, fields = alone.sorted_arc_headers()

    def lookup(name: bytes, timeout: float = 5) -> bytes:
        return ZONE.get(name.decode().rstrip(".").lower(), "").encode()

    said = alone.verify_instance(fields, newest, dnsfunc=lookup)
    for part in ("ams-valid", "as-valid"):
        if not said[part]:
            yield f"dkimpy: not {part}"


class Matrix:
    """One site of the matrix, at work."""

    def __init__(self, house: FurnishedHouse, keys: Sequence[Key]) -> None:
        self.house = house
        self.site = house.site
        self.sink = house.sink
        self.keys = [key for key in keys if key[0].name != "again"]
        self.deferred = [key for key in keys if key[0].name == "again"]
        self.lists: dict[str, MailingList] = {}
        self._seen = 0
        self._shell_runs = 0
        self._refusals: dict[Key, str] = {}
        self._copies: dict[tuple[str, int], list[Delivery]] = defaultdict(list)
        self._forwarded: dict[int | None, bytes] = {}  # by the number of the post
        self._by_domain = {
            f"{feature.name}.example": feature.name for feature, _ in keys
        }

    # Before

    def make_lists(self) -> None:
        for feature in dict.fromkeys(f for f, _ in (*self.keys, *self.deferred)):
            self.lists[feature.name] = self._make_list(feature)
        if "inner" in self.lists:
            outer = self.site.create_list(OUTER, **OPEN)
            outer.subscribe([self.lists["inner"].address])
            self.lists[OUTER] = outer
        if "topics" in self.lists:
            self.shell(topics=[self.lists["topics"].address])

    def _make_list(self, feature: Feature) -> MailingList:
        made = self.site.create_list(
            feature.name, feature.domain, **{**OPEN, **feature.settings}
        )
        made.subscribe(feature.recipients, feature.role)
        for template, text in feature.templates.items():
            made.decorate(text, template)
        return made

    def shell(self, **tasks: object) -> None:
        """Do what REST cannot; see `matrix_shell`."""
        self._shell_runs += 1
        file = self.site.root / f"tasks{self._shell_runs}.json"
        file.write_text(json.dumps(tasks))
        self.site.command("withlist", "-r", "tests.e2e.matrix_shell.run", str(file))

    # Posts

    def send(self) -> None:
        """Hand all posts in, and wait for their copies."""
        if "later" in self.lists:
            self.sink.refuse(At.RECIPIENT, "451 4.2.0 later", None, "m0@later.example")
        self._inject([key for key in self.keys if key[1].must_be_injected])
        for post in dict.fromkeys(post for _, post in self.keys):
            if not post.must_be_injected:
                self._post_to_all(post)
            self._look()
        self._wait(self.keys)

    def _post_to_all(self, post: Post) -> None:
        keys = {_door_of(key[0]): key for key in self.keys if key[1] is post}
        refused = lmtp.send(self.site.lmtp_port, post.octets, ANN, list(keys))
        for address, reply in refused.items():
            self._refusals[keys[address]] = f"{reply.code} {reply.text}"

    def send_deferred(self) -> None:
        """The same where each message is refused once after its data."""
        if not self.deferred:
            return
        self.site.wait_until_idle(PATIENCE)
        self.sink.refuse(At.END_OF_DATA, "451 4.3.0 later", len(self.deferred))
        self._inject([key for key in self.deferred if key[1].must_be_injected])
        for feature, post in self.deferred:
            if not post.must_be_injected:
                assert self.site.post(post.octets, ANN, feature.address) == {}
        self._wait(self.deferred)

    def _inject(self, keys: Iterable[Key]) -> None:
        pairs = []
        for feature, post in keys:
            file = self.site.root / f"post{post.number}.eml"
            file.write_bytes(post.octets)
            pairs.append((_door_of(feature), str(file)))
        if pairs:
            self.shell(inject=pairs)

    def _wait(self, keys: Sequence[Key]) -> None:
        deadline = time.monotonic() + PATIENCE
        quiet_since = time.monotonic()
        while not all(map(self._is_complete, keys)):
            if self._look() or not self._is_idle():
                quiet_since = time.monotonic()
            now = time.monotonic()
            if now > deadline or now - quiet_since > QUIET:
                return  # the cells will tell what lacks
            time.sleep(0.1)

    def _is_idle(self) -> bool:
        return not any(map(self.site.queue, ("in", "pipeline", "out", "retry")))

    def _is_complete(self, key: Key) -> bool:
        feature, post = key
        if key in self._refusals:
            return True
        copies = self._copies[feature.name, post.number]
        return sum(len(copy.recipients) for copy in copies) >= feature.members

    def _look(self) -> bool:
        """Take in what has come; tell whether there was anything."""
        deliveries = self.sink.deliveries
        fresh, self._seen = deliveries[self._seen :], len(deliveries)
        for copy in fresh:
            domains = {address.partition("@")[2] for address in copy.recipients}
            for domain in domains:
                name = self._by_domain.get(domain)
                number = number_of(copy)
                if name is not None and number is not None:
                    self._copies[name, number].append(copy)
            self._forward(copy)
        accepted = self._let_later_ones_in()
        return bool(fresh) or self._accept_held() or accepted

    def _forward(self, copy: Delivery) -> None:
        """Do as the mail server does with mail from one list to another."""
        inner = self.lists.get("inner")
        if inner is not None and inner.address in copy.recipients:
            self._forwarded[number_of(copy)] = copy.octets
            lmtp.send(self.site.lmtp_port, copy.octets, copy.sender, [inner.address])

    def _accept_held(self) -> bool:
        held = self.lists["held"].held() if "held" in self.lists else []
        for each in held:
            self.lists["held"].moderate(each["request_id"], "accept")
        return bool(held)

    def _let_later_ones_in(self) -> bool:
        """Stop refusing a member once all others have their copies."""
        wanted = [post for feature, post in self.keys if feature.name == "later"]
        if wanted and all(self._copies["later", post.number] for post in wanted):
            self.sink.accept()
        return False

    # After

    def cells(self, judges: Judges) -> dict[Key, Cell]:
        """What became of each post, with all that is wrong."""
        log = self._log_by_id()
        return {
            key: self._cell(key, judges, log) for key in (*self.keys, *self.deferred)
        }

    def _cell(self, key: Key, judges: Judges, log: Log) -> Cell:
        feature, post = key
        cell = Cell(self._copies[feature.name, post.number])
        cell.refusal = self._refusals.get(key, "")
        if cell.refusal:
            cell.problems.append(cell.refusal)
            return cell
        _read_log(log, feature.address, cell)
        got = Counter(name for copy in cell.copies for name in copy.recipients)
        if got != Counter(feature.recipients):
            cell.problems.append(f"recipients: {dict(got)}")
        if cell.outcome != feature.expected(post):
            cell.problems.append(
                f"{cell.outcome}, expected was: {feature.expected(post)}"
            )
        is_judged = feature.is_judged and not feature.is_second_list
        if is_judged and not post.arrives_as <= set(cell.arrival.split()):
            cell.problems.append(f"judged {cell.arrival}")
        for copy in cell.copies:
            cell.problems += complaints(copy, cell.outcome, judges)
        cell.is_author_signed = all(
            judges.say_author_signed(copy.octets) for copy in cell.copies
        )
        if feature.shown_by == post.name:
            cell.problems += _not_applied(feature.shows, cell.copies)
        if len(cell.copies) != feature.copies:
            cell.problems.append(f"{len(cell.copies)} copies")
        if feature.seals not in (cell.seals, None):
            cell.problems.append(f"{cell.seals} different messages")
        return cell

    def compare_history(self, cells: Mapping[Key, Cell]) -> Iterator[object]:
        """Note in each cell what is not told of it; entries that are about none."""
        happened = {
            key: self._happened(key, cell)
            for key, cell in cells.items()
            if cell.copies and key[0].role != "owner"
        }
        copies = {
            key: sum(len(c.recipients) for c in cells[key].copies) for key in happened
        }

        def is_complete(found: Histories) -> bool:
            told = [entry for entries in found.values() for entry in entries]
            return sum(each["recipients"] for each in told) >= sum(copies.values())

        addresses = {made.address for name, made in self.lists.items() if name != OUTER}
        histories = wait_for_histories(self.site, addresses, is_complete)
        known: list[object] = []
        for key, each in happened.items():
            feature, post = key
            entries = told_of(histories[feature.address], each)
            known += entries
            if feature.name == "held" and post.must_be_injected:
                entries = _once_accepted(entries)
            cells[key].untold += disagreements(self.site, entries, each)
            if feature.is_core and post.name == SHOWN:
                cells[key].untold += missing_in_story(self.site, entries, each)
        for entries in histories.values():
            yield from (entry for entry in entries if entry not in known)

    def _happened(self, key: Key, cell: Cell) -> Happened:
        feature, post = key
        octets = post.octets
        if feature.is_second_list:
            octets = self._forwarded.get(post.number, octets)
        # Others have it in the archive as it came.
        is_renamed = feature.begins_anew or "repairs" in post.name
        known_by = cell.copies[0] if is_renamed else Delivery("", (), octets)
        return Happened(
            arrived=octets,
            message_id=known_by.message_id,
            copies=cell.copies,
            results=cell.arrival,
            outcome=cell.outcome,
            remarks=cell.remarks,
            seals=feature.seals,
            is_anonymous=feature.begins_anew,
        )

    def notices(self, collected: Iterable[Post], judges: Judges) -> dict[Notice, Cell]:
        """What leaves of Mailman's own mail."""
        self.site.wait_until_idle(PATIENCE)
        found = {}
        for notice, copies in cause_notices(self.house, collected, self.shell).items():
            cell = found[notice] = Cell(copies)
            if not copies:
                cell.problems.append("it has not come")
                continue
            self.site.wait_for_log("plugins", copies[-1].message_id)
            _read_log(self._log_by_id(), f"{notice.list_name}@{SITE.name}", cell)
            for copy in copies:
                cell.problems += complaints(copy, cell.outcome, judges)
        return found

    def beside_notices(self, collected: Sequence[Post]) -> Iterator[str]:
        """What the history tells otherwise of the posts that caused notices."""
        wanted = {
            f"{name}@{SITE.name}": told for name, told in remembered(collected).items()
        }

        def read(entries: Iterable[Entry]) -> Counter[tuple[object, ...]]:
            return Counter(
                (each["disposition"], each["is_waiting"], each["unsealed_reason"])
                for each in entries
            )

        def is_complete(found: Histories) -> bool:
            return all(read(found[name]) == told for name, told in wanted.items())

        found = wait_for_histories(self.site, wanted, is_complete)
        for name, entries in found.items():
            if read(entries) != wanted[name]:
                yield f"{name}: {entries}, and not {wanted[name]}"

    def _log_by_id(self) -> Log:
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for line in self.site.log("plugins").splitlines():
            if match := re.search(r"(<\S+>) list=(\S+) ", line):
                found[match[1], match[2]].append(line)
        return found

    def trouble(self) -> list[str]:
        """What is wrong with the whole site."""
        found = [_shunted(path) for path in self.site.shunted()]
        if found:
            found.append(self.site.log("mailman"))
        if "Traceback" in self.site.log("plugins"):
            found.append(self.site.log("plugins"))
        return found


OPEN = {
    "require_explicit_destination": False,
    "max_message_size": 0,
    "digest_size_threshold": NEVER,
    "max_num_recipients": 0,
}


def _door_of(feature: Feature) -> str:
    return (
        f"{OUTER}@{feature.domain}"
        if feature.is_second_list
        else feature.posting_address
    )


def _once_accepted(entries: list[Entry]) -> list[Entry]:
    """What is told of a post that came past the door, once it was accepted.

    Mailman has held it before anybody had made an entry that it could keep.
    """
    return [each for each in entries if each["disposition"] != "held"]


def _read_log(log: Log, address: str, cell: Cell) -> None:
    list_id = address.replace("@", ".")
    for message_id in {copy.message_id for copy in cell.copies}:
        for line in log.get((message_id, list_id), ()):
            cell.arrival, outcome, cell.remarks = read_line(line)
            cell.outcomes.add(outcome)


def read_line(line: str) -> tuple[str, str, str]:
    """How a post arrived, what became of it and more, from its line in the log."""
    _, _, told = line.partition(" list=")
    arrival, outcome, *remarks, _ = told.partition(" ")[2].split("; ")
    return arrival, outcome, "; ".join(remarks)


def complaints(copy: Delivery, outcome: str, judges: Judges) -> Iterator[str]:
    """What is wrong with a copy of which the log says this."""
    header = copy.octets.partition(b"\r\n\r\n")[0].lower()
    if VOUCHER in header:
        yield "there is a voucher in it"
    if b"secret@" in header:
        yield "there is a hidden recipient in it"
    ours = b"d=" + SITE.name.encode() in b"".join(copy.fields("ARC-Seal")[:1])
    if outcome.startswith("sealed"):
        if not ours:
            yield "there is no seal"
        yield from judges.against(copy.octets, ended="cv=fail" in outcome)
    elif ours and "already failed" not in outcome:
        yield "there is a seal"


def _not_applied(pattern: str, copies: Iterable[Delivery]) -> Iterator[str]:
    for copy in copies:
        text = f"{copy.sender}\n{copy.octets.decode('latin-1')}"
        if not re.search(pattern, text):
            yield f"{pattern} is not in a copy"


def _shunted(path: Path) -> str:
    octets = path.read_bytes()
    text = re.search(rb"matrix\.\d+@author\.example", octets)
    list_id = re.search(rb"[a-z0-9]+\.lists\.example\.(?:org|net)", octets)
    return f"shunted: {text and text[0]!r} {list_id and list_id[0]!r}"


@contextmanager
def opened(where: Where) -> Iterator[FurnishedHouse]:
    """A site of the matrix."""
    public_suffixes = resources.files("mailman.rules") / "data/public_suffix_list.dat"
    common = {
        "mailman": {"html_to_plain_text_command": HTML_TO_TEXT},
        "runner.retry": {"sleep_time": "1s"},
        # Nobody asks the DNS of the world.
        "dmarc": {
            "resolver_timeout": "1s",
            "resolver_lifetime": "1s",
            "org_domain_data_url": f"file://{public_suffixes}",
        },
    }
    with furnished(without=(), mailman={**common, **SITES[where]}) as house:
        yield house


def run(keys: Iterable[Key], *, with_notices: bool = True) -> Found:
    """Send these posts to these lists."""
    found = Found()
    judges = Judges()
    wanted = list(keys)
    for where in Where:
        here = [key for key in wanted if key[0].where is where]
        if not here:
            continue
        with opened(where) as house:
            matrix = Matrix(house, here)
            matrix.make_lists()
            matrix.send()
            matrix.send_deferred()
            cells = matrix.cells(judges)
            found.surplus += matrix.compare_history(cells)
            found.cells |= cells
            if where is Where.BULK and with_notices:
                collected = [p for p in all_posts().values() if p.can_be_collected]
                found.notices = matrix.notices(collected, judges)
                found.beside_notices += matrix.beside_notices(collected)
            found.trouble += matrix.trouble()
    return found
