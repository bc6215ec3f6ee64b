"""Three posts through a real Mailman, and what becomes of them.

Run by `make demo`.  With KEEP=1 in the environment everything stays up
afterwards, to be played with, until Ctrl-C.  With WEB=1 it stays up, too, and
Postorius and HyperKitty are there as well.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.house import posts
from tests.house.house import House, open_house
from tests.house.lists import MailingList
from tests.house.oracles import Opinion
from tests.house.sink import Delivery
from tests.house.waiting import PATIENCE, wait_until
from tests.house.web import MailmanWeb, Person, WebHouse, open_web_house


WIDTH = 78
MEMBERS = ("anne@one.example", "bill@two.example", "cleo@three.example")
OWNER, MODERATOR = Person("owner"), Person("moderator")
ADMINISTRATOR = Person("admin", is_superuser=True)
ARC_SET = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
FOOTER = "-- \n$display_name mailing list, with a footer that breaks signatures\n"


@dataclass(frozen=True, slots=True)
class Story:
    """A post, and what has to become of it."""

    title: str
    about: str
    octets: bytes
    sender: str
    author_domain: str
    found: dict[str, str]  # result by method, as it arrived
    sealed: dict[str, str]  # tags of the seal we add
    own: str  # what is left of the author's signature: broken, or never there
    verdict: str  # of the history


def main() -> int:
    """Run the demo; 0 if all came as it should."""
    author = posts.make_domain(posts.AUTHOR, policy="reject")
    forwarder = posts.make_domain(posts.FORWARDER, policy="none")
    bank = posts.make_domain(posts.BANK, policy="reject")
    with _open([author, forwarder, bank]) as house:
        discuss = _make_list(house)
        _introduce(house, discuss)
        failures = 0
        stories = _stories(discuss.address, author, forwarder)
        for story in stories:
            failures += _tell(house, discuss, story)
        failures += _show_history(house, discuss, stories)
        failures += _look_for_trouble(house)
        if "1" in (os.environ.get("KEEP"), os.environ.get("WEB")):
            _stay(house, discuss)
    failures += _check(_nothing_is_left(house))
    print(f"\n{failures} checks failed." if failures else "\nAll is as it should be.")
    return 1 if failures else 0


def _open(domains: list[posts.Domain]) -> AbstractContextManager[House]:
    what = "a DNS server, a mail sink and GNU Mailman"
    if os.environ.get("WEB") == "1":
        print(f"Starting {what}, Postorius and HyperKitty ...", flush=True)
        return open_web_house((OWNER, MODERATOR, ADMINISTRATOR), domains)
    print(f"Starting {what} ...", flush=True)
    return open_house(domains)


def _nothing_is_left(house: House) -> dict[str, bool]:
    left: dict[str, bool] = {
        "Mailman has stopped, no process is left": not house.site.processes(),
        "its directory is gone": not house.site.root.exists(),
    }
    if isinstance(house, WebHouse):
        is_gone = not house.web.processes() and not house.web.root.exists()
        left["nor is anything of Postorius and HyperKitty"] = is_gone
    return left


def _make_list(house: House) -> MailingList:
    discuss = house.site.create_list("discuss")
    discuss.subscribe(MEMBERS)
    if isinstance(house, WebHouse):
        discuss.subscribe([OWNER.address], "owner")
        discuss.subscribe([MODERATOR.address], "moderator")
    discuss.decorate(FOOTER)
    return discuss


def _introduce(house: House, discuss: MailingList) -> None:
    version = house.site.rest.get("system/versions")["mailman_version"]
    print(f"{version} is up after {house.site.start_seconds:.1f} seconds.")
    print(
        f"The list {discuss.address} has {len(MEMBERS)} members, "
        f"the subject prefix {discuss.setting('subject_prefix').strip()!r} "
        "and a footer."
    )


def _stories(
    to: str, author: posts.Domain, forwarder: posts.Domain
) -> tuple[Story, ...]:
    ann = f"ann@{author.name}"
    signed = posts.dkim_sign(
        posts.make_post(ann, to, name="Ann", subject="Lunch on Friday"), author
    )
    second = posts.dkim_sign(
        posts.make_post(ann, to, name="Ann", subject="Lunch on Monday"), author
    )
    forwarded = posts.arc_seal(
        second,
        forwarder,
        f"dkim=pass header.d={author.name}; dmarc=pass header.from={author.name}",
        also=b"Forwarded by forwarder.example\r\n",
    )
    forged = posts.make_post(
        f"security@{posts.BANK}",
        to,
        name="Your Bank",
        subject="Your account is locked",
        body="Send us your password to unlock it.\r\n",
    )
    return (
        Story(
            "(a) A signed post from a domain with the DMARC policy reject",
            "The list's prefix and footer break the author's signature. Without "
            "ARC, receivers may refuse the post.",
            signed,
            ann,
            author.name,
            {"arc": "none", "dkim": "pass", "dmarc": "pass"},
            {"i": "1", "cv": "none"},
            "fail",
            "confirmed",
        ),
        Story(
            "(b) A post that another forwarder has changed and sealed",
            "The author's signature is broken already when the post arrives, but "
            "the forwarder's seal says that it was good. Our set goes on top.",
            forwarded,
            f"forward@{forwarder.name}",
            author.name,
            {"arc": "pass", "dkim": "fail", "dmarc": "fail"},
            {"i": "2", "cv": "pass"},
            "fail",
            "vouched",
        ),
        Story(
            "(c) A forged post: From a bank with the DMARC policy reject, unsigned",
            "A seal does not make a post good. It says truthfully what was found.",
            forged,
            "mallory@elsewhere.example",
            posts.BANK,
            {"arc": "none", "dkim": "none", "dmarc": "fail"},
            {"i": "1", "cv": "none"},
            "none",
            "unconfirmed",
        ),
    )


def _tell(house: House, discuss: MailingList, story: Story) -> int:
    """Send the post, show what became of it; the number of failed checks."""
    before = Delivery(story.sender, (discuss.address,), story.octets)
    print(f"\n{'=' * WIDTH}\n{story.title}\n{'=' * WIDTH}")
    print(textwrap.fill(story.about, WIDTH))
    house.site.post(story.octets, story.sender, discuss)
    after = house.sink.wait_for_copies(before.message_id, len(MEMBERS))[0]
    logged = house.site.wait_for_log("plugins", before.message_id)
    _show("What arrived", before, ("ARC-Seal", "DKIM-Signature", "From", "Subject"))
    results = _own_results(after, house.sealer.name)
    _heading("What mailman_arc found, on top of the post")
    print(textwrap.indent(results, "  "))
    _show("What left", after, ("Subject",), only_first=ARC_SET)
    _heading("plugins.log")
    for line in logged:
        print(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    "))
    opinions = house.opinions(after.octets)
    _heading("What receivers find")
    for opinion in opinions:
        print(
            f"  {opinion.by + ':':12}arc={opinion.arc}, the author's own signature: "
            f"{opinion.dkim_of(story.author_domain)}"
        )
    return _check(_expectations(story, after, results, opinions))


def _expectations(
    story: Story, after: Delivery, results: str, opinions: list[Opinion]
) -> dict[str, bool]:
    """What has to be true, in words."""
    sealed = after.fields("ARC-Seal")[:1]
    tags = _tags(sealed[0]) if sealed else {}
    attested = b"".join(after.fields("ARC-Authentication-Results")[:1])
    words = {name: f"{name}={result}" for name, result in story.found.items()}
    seal = {name: f"{name}={value}" for name, value in story.sealed.items()}
    checks = {
        f"found on arrival: {' '.join(words.values())}": all(
            _has(results, word) for word in words.values()
        ),
        f"sealed with {' '.join(seal.values())}": story.sealed.items() <= tags.items(),
        "the seal attests what was found": all(
            _has(attested.decode(), word) for word in words.values()
        ),
    }
    for opinion in opinions:
        checks[f"{opinion.by} finds the chain intact"] = opinion.arc == "pass"
        own = opinion.dkim_of(story.author_domain) == story.own
        checks[f"{opinion.by} on the author's own signature: {story.own}"] = own
    return checks


def _show_history(
    house: House, discuss: MailingList, stories: tuple[Story, ...]
) -> int:
    """Show what the owners of the list can read of the posts afterwards."""
    print(f"\n{'=' * WIDTH}\nAnd afterwards: what was that post?\n{'=' * WIDTH}")
    print("The list's owners can look, here and on the page beside Postorius.")
    entries = _wait_for_history(house, discuss, len(stories))
    _show_command(house, "history", discuss.address)
    _show_command(house, "show", discuss.address, entries[0]["entry_id"])
    wanted = [(story.verdict, True) for story in reversed(stories)]
    found = [(each["verdict"], each["sealed"]) for each in entries]
    words = ", ".join(story.verdict for story in stories)
    return _check({f"the history has one line for each: {words}": found == wanted})


def _wait_for_history(
    house: House, discuss: MailingList, posts: int
) -> list[dict[str, Any]]:
    """What is known of the posts, the newest first; no post waits for its writing."""

    def look() -> list[dict[str, Any]]:
        path = f"plugins/arc/lists/{discuss.list_id}/history"
        entries: list[dict[str, Any]] = house.site.rest.get(path).get("entries", [])
        left = [each for each in entries if each["sealed"] is not None]
        return left if len(left) == posts else []

    return wait_until(look, PATIENCE, "the history", house.site.report)


def _show_command(house: House, *words: str) -> None:
    _heading(f"mailman arc {' '.join(words)}")
    for line in house.site.command("arc", *words).splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        print(
            textwrap.fill(
                line,
                WIDTH,
                initial_indent="  ",
                subsequent_indent=f"{indent}  ",
                break_on_hyphens=False,
            )
        )


def _look_for_trouble(house: House) -> int:
    print(f"\n{'=' * WIDTH}\nMailman itself\n{'=' * WIDTH}")
    house.site.wait_until_idle()
    return _check(
        {
            "no post is shunted": not house.site.shunted(),
            "no traceback in the logs": "Traceback"
            not in house.site.errors() + house.site.log("plugins"),
        }
    )


def _check(expectations: dict[str, bool]) -> int:
    print()
    for what, is_so in expectations.items():
        print(f"  {'ok  ' if is_so else 'FAIL'}  {what}")
    return list(expectations.values()).count(False)


def _show(
    title: str,
    delivery: Delivery,
    names: tuple[str, ...],
    only_first: tuple[str, ...] = (),
) -> None:
    _heading(title)
    found = [field for name in only_first for field in delivery.fields(name)[:1]]
    found += [field for name in names for field in delivery.fields(name)]
    for field in found:
        unfolded = re.sub(rb"\s+", b" ", field).decode(errors="replace")
        # Nobody reads signatures: their beginning will do.
        short = re.sub(r"\b(bh?=\S{8})[^;]+", r"\1...", unfolded)
        print(
            textwrap.fill(
                short,
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
        )


def _heading(text: str) -> None:
    print(f"\n{text}")


def _own_results(delivery: Delivery, authserv_id: str) -> str:
    """Our Authentication-Results field, one result to a line."""
    for field in delivery.fields("Authentication-Results"):
        value = re.sub(rb"\s+", b" ", field.partition(b":")[2]).decode(errors="replace")
        if value.split()[0].rstrip(";") == authserv_id:
            return "\n    ".join(part.strip() for part in value.split(";"))
    return "(no field of ours)"


def _tags(field: bytes) -> dict[str, str]:
    value = re.sub(rb"\s+", b"", field.partition(b":")[2]).decode(errors="replace")
    pairs = (part.partition("=") for part in value.split(";") if part)
    return {name: text for name, _, text in pairs}


def _has(results: str, word: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])", results) is not None


def _stay(house: House, discuss: MailingList) -> None:
    site = house.site
    as_root = " --run-as-root" if os.geteuid() == 0 else ""
    print(
        f"""
Everything stays up until Ctrl-C. Some things to try in another terminal:

  curl -u {site.rest.user}:{site.rest.password} {site.rest.base}/lists
  mail by LMTP:   127.0.0.1 port {site.lmtp_port}, for {discuss.address}, as in
      python3 -c 'import smtplib; smtplib.LMTP("127.0.0.1", {site.lmtp_port}).sendmail(
          "you@{posts.AUTHOR}", ["{discuss.address}"], open("post.eml","rb").read())'
  DNS:            dig @127.0.0.1 -p {house.dns_port} TXT {next(iter(house.zone))}
  what goes out:  every post is written to {site.root / "sent"}/
  mailman:        {site.python.parent / "mailman"} -C {site.config}{as_root} ...
                  such as arc history {discuss.address}
  settings:       {site.arc_config}
  logs:           {site.logs}
  queues:         {site.var / "queue"}
"""
        + (_how_to_log_in(house.web, discuss) if isinstance(house, WebHouse) else ""),
        flush=True,
    )
    try:
        _write_what_goes_out(house)
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)


def _how_to_log_in(web: MailmanWeb, discuss: MailingList) -> str:
    people = "\n".join(
        f"      {person.name:12}{person.password:22}{what}"
        for person, what in (
            (OWNER, "owner of the list"),
            (MODERATOR, "moderator of the list"),
            (ADMINISTRATOR, "superuser"),
        )
    )
    return f"""\
  Postorius:      {web.url}/mailman3/lists/{discuss.list_id}/
  the page "ARC": {web.url}/mailman3/lists/{discuss.list_id}/arc/
  HyperKitty:     {web.url}/archives/list/{discuss.address}/
  who can log in, and with which password:
{people}
"""


def _write_what_goes_out(house: House) -> None:
    sent = house.site.root / "sent"
    sent.mkdir()
    written = 0
    while True:
        for delivery in house.sink.deliveries[written:]:
            written += 1
            (sent / f"{written}.eml").write_bytes(delivery.octets)
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
