"""Lists with posts of all kinds, and people who look at their pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.house import posts
from tests.house.browser import Visitor, open_browser, visit
from tests.house.lists import MailingList
from tests.house.sink import Delivery
from tests.house.waiting import wait_until
from tests.house.web import Person, WebHouse, open_web_house


if TYPE_CHECKING:
    from playwright.sync_api import Browser


OWNER, MODERATOR, MEMBER = Person("olivia"), Person("mona"), Person("max")
OTHER_OWNER, SUPERUSER = Person("otto"), Person("sue", is_superuser=True)
PEOPLE = {
    each.name: each for each in (OWNER, MODERATOR, MEMBER, OTHER_OWNER, SUPERUSER)
}

AUTHOR = posts.make_domain(posts.AUTHOR)
FORWARDER = posts.make_domain(posts.FORWARDER, None)
BANK = posts.make_domain(posts.BANK)
READERS = (MEMBER.address, "anne@one.example")
ANN = f"ann@{posts.AUTHOR}"
PATIENCE = 60  # seconds

OURS = "plugins/arc/lists"

# A stranger's text, wherever one can write: as HTML it would be seen and heard.
EVIL = "<b class=evil>evil</b><script>window.evil = true</script>"
LONG = "w" * 900


@dataclass
class Neighbourhood:
    """What runs, two lists, and the windows of those who look."""

    house: WebHouse
    browser: Browser
    discuss: MailingList
    board: MailingList
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self, name: str) -> Visitor:
        """Somebody of `PEOPLE`, logged in; or `anonymous`."""
        if name not in self.visitors:
            url = self.house.web.url
            self.visitors[name] = visit(self.browser, url, PEOPLE.get(name))
        return self.visitors[name]

    def entries(self, mlist: MailingList, **filters: Any) -> list[dict[str, Any]]:
        """What the history has of a list's posts, the newest first."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        path = f"{OURS}/{mlist.list_id}/history?{query}"
        return list(self.house.site.rest.get(path).get("entries", []))

    def entry(self, mlist: MailingList, subject: str) -> dict[str, Any]:
        """What the history has of one post."""
        found = [e for e in self.entries(mlist) if subject in e["subject"]]
        assert len(found) == 1, self.entries(mlist)
        return found[0]

    def send(self, octets: bytes, to: MailingList, sender: str = ANN) -> None:
        """Hand a post in, and wait until the history has it."""
        before = len(self.entries(to))
        assert self.house.site.post(octets, sender, to) == {}
        wait_until(
            lambda: len(self.entries(to)) > before,
            PATIENCE,
            "a post in the history",
            self.house.site.report,
        )

    def copies(self, octets: bytes) -> list[Delivery]:
        """What the members of the first list got of a post."""
        message_id = Delivery("", (), octets).message_id
        return self.house.sink.wait_for_copies(message_id, len(READERS))


@contextmanager
def open_neighbourhood() -> Iterator[Neighbourhood]:
    """Start everything, with posts in the history and in the archive."""
    with (
        open_web_house(PEOPLE.values(), [AUTHOR, FORWARDER, BANK]) as house,
        open_browser() as browser,
    ):
        discuss = house.site.create_list("discuss", display_name="Discuss")
        discuss.subscribe(READERS)
        discuss.subscribe([OWNER.address], "owner")
        discuss.subscribe([MODERATOR.address], "moderator")
        board = house.site.create_list("board", default_nonmember_action="hold")
        board.subscribe([OTHER_OWNER.address], "owner")
        opened = Neighbourhood(house, browser, discuss, board)
        _fill(opened)
        yield opened


def _fill(opened: Neighbourhood) -> None:
    for octets in _posts(opened.discuss.address):
        opened.send(octets, opened.discuss)
    opened.send(
        _signed(posts.make_post(ANN, opened.board.address, subject="A secret")),
        opened.board,
    )
    opened.house.site.wait_until_idle()


def _posts(to: str) -> Iterator[bytes]:
    yield _signed(posts.make_post(ANN, to, name="Ann", subject="Lunch on Friday"))
    yield posts.arc_seal(
        _signed(posts.make_post(ANN, to, name="Ann", subject="Lunch on Monday")),
        FORWARDER,
        f"dkim=pass header.d={posts.AUTHOR}; dmarc=pass header.from={posts.AUTHOR}",
        also=b"Forwarded by forwarder.example\r\n",
    )
    yield posts.make_post(
        f"security@{posts.BANK}", to, name="Your Bank", subject="Account is locked"
    )
    yield posts.make_post("paul@plain.example", to, subject="Without a signature")
    yield _evil(to)


def _signed(octets: bytes) -> bytes:
    return posts.dkim_sign(octets, AUTHOR)


def _evil(to: str) -> bytes:
    """A post that wants to be more than text, in each place that is shown."""
    octets = posts.make_post(
        "mallory@elsewhere.example",
        to,
        name=f'"{EVIL}"',
        subject=f"{EVIL} =?utf-8?q?=E2=80=AEtxet=00=1B[31m?=\r\n {LONG}",
        message_id=f"<{EVIL.replace(' ', '')}@elsewhere.example>",
    )
    results = f"dkim=pass header.d={posts.BANK}"
    sealed = posts.arc_seal(octets, FORWARDER, results)
    # dkimpy leaves comments out; so the chain is broken, and is shown all the same.
    evil = f"({EVIL}\r\n {LONG})\r\n {results}".encode()
    return sealed.replace(results.encode(), evil)
