"""The lists of the matrix: one for each thing a list does to posts.

What is not here, Mailman 3 does not have or does not send through us: posts for
a news server go to it as they are in the archive, without our delivery, and
attachments are scrubbed in plain digests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mailman_arc.policy.outbound import Unsealed
from tests.e2e.matrix_posts import LARGE, Post
from tests.house.site import LIST_DOMAIN


OTHER_DOMAIN = "lists.example.net"
HEADER = "list:member:regular:header"
FOOTER = "list:member:regular:footer"
FOR_EACH = (
    "-- \nFor $user_name <$user_email> ($user_delivered_to), in $user_language:\n"
    "$user_optionsurl $display_name $fqdn_listname\n"
)
# Mailman's example is lynx, which is not on every machine.
HTML_TO_TEXT = "sed s/<[^>]*>//g $filename"


class Where(StrEnum):
    """Which of two Mailmans a list is in."""

    BULK = "a site as it comes, but with max_recipients: 2"
    VERP = (
        "a site with verp_delivery_interval: 1, verp_personalized_deliveries: yes,"
        " remove_dkim_headers: yes and without the section [runner.lmtp]"
    )


SITES: Mapping[Where, Mapping[str, Mapping[str, str | None]]] = {
    Where.BULK: {"mta": {"max_recipients": "2"}},
    Where.VERP: {
        "mta": {
            "verp_delivery_interval": "1",
            "verp_personalized_deliveries": "yes",
            "remove_dkim_headers": "yes",
        },
        "runner.lmtp": {"class": None},
    },
}


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A list, and what is to become of posts to it."""

    title: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    where: Where = Where.BULK
    members: int = 3
    copies: int = 2  # how many messages go out for a post to these members
    seals: int | None = 1  # how many of those are different; None: it depends
    reason: Unsealed | None = None  # why posts that bring ARC fields are not sealed
    begins_anew: bool = False  # the chain of the post is taken out
    is_second_list: bool = False  # the posts come from another list
    is_judged: bool = True  # whether what is found on arrival is looked at
    domain: str = LIST_DOMAIN
    role: str = "member"
    is_core: bool = False
    takes_large: bool = False
    # A pattern found in envelope sender and copies of a post, so that it is known
    # that the list does what is said.
    shows: str = ""
    shown_by: str = "7-bit text"

    @property
    def address(self) -> str:
        return f"{self.name}@{self.domain}"

    @property
    def posting_address(self) -> str:
        suffix = "-owner" if self.role == "owner" else ""
        return f"{self.name}{suffix}@{self.domain}"

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(f"m{number}@{self.name}.example" for number in range(self.members))

    def takes(self, post: Post) -> bool:
        """Tell whether the row has this post."""
        if post.name == LARGE and not self.takes_large:
            return False
        return not (self.role == "owner" and post.must_be_injected)

    def expected(self, post: Post) -> str:
        """What the log is to say of it."""
        if self.reason is not None and post.chain != "none":
            return f"not sealed: {self.reason}"
        if self.begins_anew or post.chain == "none":
            first = "sealed i=1 cv=none"
            return "sealed i=2 cv=pass" if self.is_second_list else first
        if post.chain == "ended" or (post.chain == "fail" and self.is_second_list):
            return f"not sealed: {Unsealed.CHAIN_ENDED}"
        if self.is_second_list:
            return "sealed i=4 cv=pass"
        return f"sealed i=3 cv={post.chain}"


PLAIN = {"subject_prefix": "", "digests_enabled": False}
NO_FOOTER = {FOOTER: ""}

FEATURES = (
    Feature("nothing changed", "unchanged", PLAIN, NO_FOOTER, takes_large=True),
    Feature(
        "nothing changed, digests collected",
        "collected",
        {"subject_prefix": ""},
        NO_FOOTER,
    ),
    Feature(
        "default style: subject prefix and footer",
        "default",
        is_core=True,
        takes_large=True,
        shows=r"Subject: \[Default\] ",
    ),
    Feature(
        "header and footer, not in ASCII",
        "decorated",
        templates={HEADER: "Grüße von $display_name\n", FOOTER: "-- \nTschüß\n"},
        shows=r"charset=.utf-8.",
    ),
    Feature("more members than max_recipients", "chunks", members=5, copies=3),
    Feature(
        "personalize: individual, with variables in header and footer",
        "individual",
        {"personalize": "individual"},
        {HEADER: "$user_name_or_address\n", FOOTER: FOR_EACH},
        is_core=True,
        takes_large=True,
        copies=3,
        seals=3,
        shows=r"For  <m\d@individual\.example>",
    ),
    Feature(
        "personalize: individual, nothing to vary",
        "equal",
        {"personalize": "individual"},
        NO_FOOTER,
        copies=3,
    ),
    Feature(
        "personalize: full",
        "full",
        {"personalize": "full"},
        copies=3,
        seals=3,
        shows=r"To: m\d@full",
    ),
    Feature("a recipient is deferred (451 at RCPT)", "later", members=2, seals=None),
    Feature("a copy is deferred (451 after DATA)", "again", members=2, copies=1),
    Feature(
        "dmarc_mitigate_action: munge_from",
        "munge",
        {
            "dmarc_mitigate_action": "munge_from",
            "dmarc_mitigate_unconditionally": True,
        },
        shows=r"From: Ann Author via Munge <munge@lists",
    ),
    Feature(
        "dmarc_mitigate_action: wrap_message",
        "wrap",
        {
            "dmarc_mitigate_action": "wrap_message",
            "dmarc_mitigate_unconditionally": True,
        },
        reason=Unsealed.CHAIN_ALTERED,
        is_core=True,
        shows=r"Content-Type: message/rfc822",
    ),
    Feature(
        "reply_goes_to_list and first_strip_reply_to",
        "reply",
        {"reply_goes_to_list": "point_to_list", "first_strip_reply_to": True},
        shows=r"Reply-To: .*reply@lists",
    ),
    Feature(
        "filter_content, collapse_alternatives",
        "filter",
        {
            "filter_content": True,
            "filter_types": ["application/pdf", "message/rfc822"],
            "collapse_alternatives": True,
        },
        shows=r"X-Content-Filtered-By",
        shown_by="parts in parts",
    ),
    Feature(
        "filter_content, convert_html_to_plaintext",
        "text",
        {
            "filter_content": True,
            "collapse_alternatives": False,
            "convert_html_to_plaintext": True,
        },
        shows=r"Content-Type: text/plain",
        shown_by="HTML alone",
    ),
    Feature("topics", "topics", shows=r"X-Topics: Lunch"),
    Feature(
        "anonymous_list",
        "anonymous",
        {"anonymous_list": True},
        begins_anew=True,
        is_core=True,
        shows=r"From: .*anonymous@lists",
    ),
    Feature(
        "held and accepted",
        "held",
        {"default_nonmember_action": "hold"},
        shows=r"X-Mailman-Approved-At",
    ),
    Feature(
        "a list that is a member of a list",
        "inner",
        is_second_list=True,
        is_core=True,
        shows=r"ARC-Seal: i=1",
    ),
    Feature(
        "a list in another mail domain",
        "elsewhere",
        domain=OTHER_DOMAIN,
        shows=r"lists\.example\.net",
    ),
    Feature(
        "mail to the owners (list-owner@)",
        "owned",
        members=2,
        copies=2,
        role="owner",
    ),
    Feature(
        "VERP, the same for all members",
        "verp",
        where=Where.VERP,
        copies=3,
        seals=None,
        takes_large=True,
        is_core=True,
        shows=r"\Averp-bounces\+m\d=verp\.example@",
    ),
    Feature(
        "VERP and personalize: full, with variables in the footer",
        "verpfull",
        {"personalize": "full"},
        {FOOTER: FOR_EACH},
        where=Where.VERP,
        copies=3,
        seals=3,
        shows=r"To: m\d@verpfull",
    ),
    Feature(
        "VERP, nothing changed",
        "verpplain",
        PLAIN,
        NO_FOOTER,
        Where.VERP,
        copies=3,
        shows=r"(?s)\A(?!.*DKIM-Signature).*text/plain",
    ),
)
