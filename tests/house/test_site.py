"""The house itself: plain Mailman runs in it, and nothing remains of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import configfile, posts
from tests.house.installation import EXAMPLES, REPOSITORY
from tests.house.processes import processes_of
from tests.house.sink import Sink
from tests.house.site import MailmanSite
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

MEMBERS = ("anne@one.example", "bill@two.example", "cleo@three.example")
STARTS_A_SITE = """
from tests.house.site import MailmanSite
site = MailmanSite(25, plugin=False)
print(site.config, flush=True)
with site:
    print("up", flush=True)
    input()
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


@pytest.fixture(scope="module")
def plain(sink: Sink) -> Iterator[MailmanSite]:
    with MailmanSite(sink.port, plugin=False) as site:
        yield site


def test_a_post_comes_out_at_the_sink(plain: MailmanSite, sink: Sink) -> None:
    discuss = plain.create_list("discuss")
    discuss.subscribe(MEMBERS)
    discuss.decorate("-- \nthe footer\n")
    post = posts.make_post("ann@author.example", discuss.address, message_id="<1@a>")

    assert plain.post(post, "ann@author.example", discuss) == {}

    copies = sink.wait_for_copies("<1@a>", len(MEMBERS))
    assert {name for copy in copies for name in copy.recipients} == set(MEMBERS)
    assert b"Subject: [Discuss] Lunch on Friday" in copies[0].octets
    assert copies[0].octets.endswith(b"the footer\r\n")
    plain.wait_until_idle()
    assert plain.shunted() == []
    assert plain.errors() == ""


def test_an_unknown_list_is_refused(plain: MailmanSite) -> None:
    refused = plain.post(b"Subject: x\r\n\r\n", "", "nobody@lists.example.org")

    assert [reply.code for reply in refused.values()] == [550]


def test_a_held_post_waits_for_a_moderator(plain: MailmanSite, sink: Sink) -> None:
    quiet = plain.create_list("quiet", default_nonmember_action="hold")
    quiet.subscribe(MEMBERS[:1])
    post = posts.make_post("ann@author.example", quiet.address, message_id="<2@a>")

    plain.post(post, "ann@author.example", quiet)

    [held] = wait_until(quiet.held, PATIENCE, "the held post")
    quiet.moderate(held["request_id"], "accept")
    assert sink.wait_for_copies("<2@a>", 1)


def test_a_post_can_be_injected_past_the_door(plain: MailmanSite, sink: Sink) -> None:
    side = plain.create_list("side")
    side.subscribe(MEMBERS[:1])
    post = posts.make_post("ann@author.example", side.address, message_id="<3@a>")

    plain.inject(post, side)

    assert sink.wait_for_copies("<3@a>", 1)


def test_the_example_files_are_used_as_they_are_but_for_paths_and_ports() -> None:
    with_ports = {"smtp_port", "lmtp_port", "port", "nameservers", "nameserver_port"}
    site = MailmanSite(25, 53)
    try:
        for file in (site.config, site.arc_config):
            example = (EXAMPLES / file.name).read_text()
            moved = configfile.moved_under(example, site.root).splitlines()
            added = set(file.read_text().splitlines()) - set(moved)
            names = {line.partition(":")[0] for line in added}
            assert names <= {*with_ports, "configuration"}, file.name
    finally:
        site.close()


def test_a_stopped_mailman_leaves_no_process_and_starts_again(
    plain: MailmanSite,
) -> None:
    assert plain.processes() != []

    assert plain.stop() == []
    assert plain.processes() == []

    plain.start()
    assert plain.rest.get("lists")["total_size"] >= 1


@pytest.mark.parametrize(
    ("when", "how"),
    [
        pytest.param("up", signal.SIGKILL, id="killed while it runs"),
        pytest.param("", signal.SIGINT, id="interrupted while it starts"),
    ],
)
def test_nothing_remains_when_the_tester_dies(when: str, how: signal.Signals) -> None:
    tester = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SITE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        text=True,
    )
    assert tester.stdout is not None
    config = Path(tester.stdout.readline().rstrip())
    if when:
        assert tester.stdout.readline().rstrip() == when
    else:
        wait_until(lambda: processes_of(config), PATIENCE, "the start")

    tester.send_signal(how)
    tester.wait(PATIENCE)

    wait_until(lambda: not config.parent.exists(), PATIENCE, "an empty house")
    assert processes_of(config) == []
