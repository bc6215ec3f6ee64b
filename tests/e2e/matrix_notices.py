"""Mail that Mailman writes itself: it leaves without a seal, and the log says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from mailman_arc.policy.outbound import Unsealed
from tests.e2e.house import ANN, FurnishedHouse
from tests.e2e.matrix_posts import Post
from tests.house import posts
from tests.house.lists import MailingList
from tests.house.sink import Delivery
from tests.house.waiting import wait_until


PATIENCE = 60  # seconds
# Of a digest, in KiB: 0 is no threshold in Mailman 3.3.10, and always in 3.3.8.
NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Notice:
    """A kind of mail that Mailman writes, known by its list and its recipient."""

    title: str
    list_name: str
    recipient: str

    def is_in(self, copy: Delivery) -> bool:
        from_list = copy.sender.startswith(f"{self.list_name}-bounces")
        to_him = self.recipient in copy.recipients
        return to_him and (from_list or not self.recipient.startswith("ann@"))


NOTICES = (
    Notice("MIME digest", "digest", "mime@digest.example"),
    Notice("plain digest", "digest", "plain@digest.example"),
    Notice("welcome to a new member", "welcome", "new@welcome.example"),
    Notice(
        "a post is held: to the owner", "holding", "holding-owner@lists.example.org"
    ),
    Notice("a post is held: to the author", "holding", ANN),
    Notice("a post is rejected: to the author", "rejecting", ANN),
    Notice("automatic response to a post", "robot", ANN),
    Notice("answer to a command", "asking", ANN),
    Notice("VERP probe", "probing", "probed@probing.example"),
)

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "digest": {"digest_size_threshold": NEVER, "require_explicit_destination": False},
    "welcome": {"send_welcome_message": True},
    "holding": {"default_nonmember_action": "hold", "admin_immed_notify": True},
    "rejecting": {"default_nonmember_action": "reject"},
    "discarding": {"default_nonmember_action": "discard"},
    "robot": {
        "autorespond_postings": "respond_and_continue",
        "autoresponse_postings_text": "Thank you.",
    },
    "asking": {},
    "probing": {},
}


POSTED_TO = ("holding", "rejecting", "discarding", "robot")


def remembered(collected: Iterable[Post]) -> dict[str, Counter[tuple[object, ...]]]:
    """What the history is to tell of these lists: of posts, not of notices.

    What became of them, whether they wait for a moderator, and why none was sealed.
    """
    nobody = ("posted", False, Unsealed.NO_RECIPIENTS)
    told = {
        "digest": [nobody for _ in collected],
        "holding": [("held", True, "")],
        "rejecting": [("rejected", False, "")],
        "discarding": [("discarded", False, "")],
        "robot": [nobody],
    }
    return {name: Counter(told.get(name, ())) for name in SETTINGS}


def cause_notices(
    house: FurnishedHouse,
    collected: Iterable[Post],
    shell: Callable[..., None],
) -> dict[Notice, list[Delivery]]:
    """Give Mailman reason to write each of them; what has come of each kind.

    The digests have the posts `collected` in them.
    """
    site = house.site
    before = len(house.sink.deliveries)
    made = {name: site.create_list(name, **SETTINGS[name]) for name in SETTINGS}
    for mode in ("mime", "plain"):
        _subscribe_to_digest(made["digest"], mode)
    made["probing"].subscribe(["probed@probing.example"])
    made["holding"].subscribe(["owner@author.example"], "owner")
    made["welcome"].subscribe(["new@welcome.example"])
    for post in collected:
        assert site.post(post.octets, ANN, made["digest"]) == {}
    for name in POSTED_TO:
        site.post(posts.make_post(ANN, made[name].address), ANN, made[name])
    request = made["asking"].address.replace("@", "-request@")
    site.post(posts.make_post(ANN, request, body="help\r\n"), ANN, request)
    shell(probe=[made["probing"].address])
    site.wait_until_idle(PATIENCE)
    made["digest"].rest.post(f"{made['digest'].path}/digest", {"send": "True"})

    def found() -> dict[Notice, list[Delivery]]:
        fresh = house.sink.deliveries[before:]
        return {each: [c for c in fresh if each.is_in(c)] for each in NOTICES}

    with suppress(TimeoutError):  # who asks will see what lacks
        wait_until(lambda: all(found().values()), PATIENCE, "one notice of each kind")
    return found()


def _subscribe_to_digest(digest: MailingList, mode: str) -> None:
    agreed = ("pre_verified", "pre_confirmed", "pre_approved")
    digest.rest.post(
        "members",
        {
            "list_id": digest.list_id,
            "subscriber": f"{mode}@digest.example",
            "delivery_mode": {"mime": "mime_digests", "plain": "plaintext_digests"}[
                mode
            ],
            **dict.fromkeys(agreed, "True"),
        },
    )
