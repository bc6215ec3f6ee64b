"""What is wrong with a site, and the way out: `mailman arc doctor`.

Each judgement is a function of what was found: keys, DNS answers, lists, files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    TxtAnswer,
    TxtRecords,
    answer_for,
)
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.domains import MAX_NAME_LENGTH, parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keycheck import Found, find_key
from mailman_arc.mailauth.keyrecord import key_name, usable_keys
from mailman_arc.mailauth.treewalk import names_of_walk, walk
from mailman_arc.policy.configuration import ListConfiguration
from mailman_arc.policy.dnsrecord import record_value
from mailman_arc.policy.handling import is_in_use
from mailman_arc.policy.keychoice import ED25519_WARNING, not_shown
from mailman_arc.policy.settings import Mode, SiteSettings, find_setting


MAX_NAMED = 5  # lists or names in one sentence
LAST_POSTS = 20  # of a list; those that left last tell how it stands
FEWEST_POSTS = 3  # that tell something
GOOD_RSA_BITS = (2048, 4096)  # RFC 8301 §3.2: should be used, have to be taken

_SPF = b"v=spf1"  # RFC 7208 §4.5


class Severity(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; the text of a problem has the way out in it.

    `section` and `name` are its place in mailman.cfg, if it has one there.
    """

    severity: Severity
    text: str
    section: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that posts go through; `place` is that of our handler in it."""

    name: str
    place: int | None  # 0: it comes first; None: it is not there
    is_mailmans: bool  # one of those in which we place the handler ourselves


@dataclass(frozen=True, slots=True)
class LastPost:
    """What became of a post to a list."""

    is_judged: bool
    unsealed: str | None  # why it has no seal; empty: it has; None: it has not left


@dataclass(frozen=True, slots=True)
class ListState:
    """What has to be known of a mailing list."""

    list_id: str
    address: str
    mail_host: str
    configuration: ListConfiguration
    pipeline: str  # posting_pipeline
    wraps: bool  # dmarc_mitigate_action is wrap_message
    has_list_fields: bool  # include_rfc2369_headers

    @property
    def mode(self) -> Mode:
        """What is done with its posts."""
        return self.configuration.settings.mode


def names_for_diagnosis(
    keys: Iterable[SealingIdentity], mail_hosts: Iterable[str]
) -> set[str]:
    """The TXT records to look up for these keys and the mail domains of lists."""
    names = {key_name(each.selector, each.domain) for each in keys}
    for host in _domains(mail_hosts):
        names |= {host, *names_of_walk(host)}
    return {name for name in names if len(name) <= MAX_NAME_LENGTH}


def judge_key(identity: SealingIdentity, answers: Answers) -> Iterator[Finding]:
    """A key, and what the DNS shows where it should be.

    That the DNS does not answer is for `judge_dns` to say.
    """
    name = key_name(identity.selector, identity.domain)
    if len(name) > MAX_NAME_LENGTH:
        yield Finding(
            Severity.ERROR,
            f"nobody can look up the key at {name}: the name has more than "
            f"{MAX_NAME_LENGTH} characters; take a shorter selector",
        )
        return
    yield from _judge_kind(identity.key, name)
    yield from _judge_published(identity, name, answer_for(answers, name))


def _judge_kind(key: SigningKey, name: str) -> Iterator[Finding]:
    least, most = GOOD_RSA_BITS
    if key.key_type == "ed25519":
        yield Finding(Severity.WARNING, ED25519_WARNING)
    elif key.bits < least:
        yield Finding(
            Severity.WARNING,
            f"the key of {name} has {key.bits} bits only; make a new one of {least} "
            "bits (RFC 8301 §3.2)",
        )
    elif key.bits > most:
        yield Finding(
            Severity.WARNING,
            f"the key of {name} has {key.bits} bits, and not every verifier takes "
            f"more than {most}; make a new one of {least} bits (RFC 8301 §3.2)",
        )


def _judge_published(
    identity: SealingIdentity, name: str, answer: TxtAnswer
) -> Iterator[Finding]:
    if isinstance(answer, LookupFailed):
        return
    key = identity.key.verifying_key
    publication = find_key(answer, key)
    if publication.found is Found.SHOWN:
        yield Finding(Severity.GOOD, f"the DNS shows the key at {name}")
    else:
        problem = not_shown(identity.domain, identity.selector, publication)
        yield Finding(
            Severity.ERROR,
            f"{problem}; publish there, in one TXT record: {record_value(key)}",
        )
    if not isinstance(answer, TxtRecords):
        return
    count = len(answer.texts)
    if count > 1:
        yield Finding(
            Severity.WARNING,
            f"there are {count} TXT records at {name}, and which of them counts is "
            "left open; a key is one record, of several strings if it is long; take "
            "the others away (RFC 6376 §3.6.2.2)",
        )
    records, _ = usable_keys(answer, identity.key.algorithm)
    if any(record.testing for record in records):
        yield Finding(
            Severity.WARNING,
            f"the record at {name} has the flag t=y, for a test: verifiers may take "
            "no notice of seals; take the flag away (RFC 6376 §3.6.1)",
        )


def judge_mail_domain(mail_host: str, answers: Answers) -> Iterator[Finding]:
    """SPF and DMARC of a mail domain of lists, whose copies are sent from there."""
    for domain in _domains([mail_host]):
        yield from _judge_spf(domain, answer_for(answers, domain))
        found = walk(domain, answers)
        if isinstance(found, LookupFailed):
            continue
        if not found:
            yield Finding(
                Severity.WARNING,
                f"{domain} has no DMARC record that counts; publish at "
                f"_dmarc.{domain} one TXT record, such as: v=DMARC1; p=none",
            )
        elif found[0][1].policy is None:
            yield Finding(
                Severity.WARNING,
                f"the policy in the DMARC record at _dmarc.{found[0][0]} cannot be "
                "read; write p=none, p=quarantine or p=reject",
            )


def _judge_spf(domain: str, answer: TxtAnswer) -> Iterator[Finding]:
    if isinstance(answer, LookupFailed):
        return
    texts = answer.texts if isinstance(answer, TxtRecords) else ()
    count = sum(
        text.lower() == _SPF or text.lower().startswith(_SPF + b" ") for text in texts
    )
    if not count:
        yield Finding(
            Severity.WARNING,
            f"{domain} has no SPF record; publish there a TXT record that names the "
            "servers which send its mail, such as: v=spf1 mx -all",
        )
    elif count > 1:
        yield Finding(
            Severity.WARNING,
            f"{domain} has {count} SPF records, so that none counts; make one of "
            "them (RFC 7208 §4.5)",
        )


def judge_dns(
    answers: Answers, seconds: float, settings: SiteSettings
) -> Iterator[Finding]:
    """Whether the DNS answered what was asked together, and how soon."""
    if settings.test_keys:
        yield Finding(
            Severity.WARNING,
            f"{settings.test_keys} answers instead of the DNS, which is for tests; "
            "take test_keys out of arc.cfg",
        )
    failed = {
        name: answer.why
        for name, answer in sorted(answers.items())
        if isinstance(answer, LookupFailed)
    }
    why = next(iter(failed.values()), "")
    if failed and len(failed) == len(answers):
        yield Finding(
            Severity.ERROR,
            f"the DNS does not answer ({why}): no post can be judged, and those with "
            f"a chain {_fate(settings.temperror_hold)}; see that `nameservers` in "
            "arc.cfg, or else /etc/resolv.conf, names servers that answer",
        )
    elif failed:
        yield Finding(
            Severity.WARNING,
            f"the DNS does not answer for {_some(list(failed))} ({why}); try again, "
            "and see that the name servers of these domains answer",
        )
    elif seconds >= settings.dns_timeout:
        yield Finding(
            Severity.WARNING,
            f"the DNS took {seconds:.1f} s, as long as dns_timeout lets one answer "
            "take, and posts wait for it as well; see that all name servers in "
            "`nameservers`, or else /etc/resolv.conf, answer",
        )
    elif answers:
        yield Finding(
            Severity.GOOD, f"the DNS answers; names looked up: {len(answers)}"
        )


def _fate(hold: int) -> str:
    if not hold:
        return "are delivered without a seal"
    shown = find_setting("temperror_hold").kind.show(hold)
    return f"wait for {shown} and are delivered without a seal"


def judge_pipelines(
    pipelines: Iterable[Pipeline], lists: Sequence[ListState], handler: str
) -> Iterator[Finding]:
    """Whether posts come by our handler, the one of this name, and by it first."""
    for pipeline in pipelines:
        users = [
            each.address
            for each in lists
            if each.pipeline == pipeline.name and each.mode is not Mode.NONE
        ]
        of_lists = f" (used by {_some(users)})" if users else ""
        where = f"the pipeline {pipeline.name}{of_lists}"
        if pipeline.place is None:
            way_out = (
                "[plugin.arc] in mailman.cfg needs the line 'component_package: "
                "mailman_arc.plugin'"
                if pipeline.is_mailmans
                else "give these lists the posting_pipeline default-posting-pipeline, "
                "or put the handler first in theirs"
            )
            yield Finding(
                Severity.ERROR,
                f"posts are not sealed: {where} does not have the handler {handler}; "
                f"{way_out}",
            )
        elif pipeline.place > 0:
            yield Finding(
                Severity.WARNING,
                f"{where} has other handlers before {handler}; posts that they "
                "change are not sealed; put it first",
            )


def judge_lists(
    lists: Sequence[ListState], *, has_identities: bool
) -> Iterator[Finding]:
    """What keeps posts of some lists from being sealed, or copies from being good.

    Without `has_identities` nobody can seal anything, which is told elsewhere.
    """
    sealed = [each for each in lists if each.mode.seals]
    if has_identities:
        yield from _about(
            Severity.ERROR,
            "posts of {} are not sealed: no identity in arc.cfg has the list's mail "
            "domain or a parent of it; add a section [identity.NAME]",
            [each for each in sealed if each.configuration.identity is None],
        )
    yield from _about(
        Severity.WARNING,
        "posts that come with an ARC chain are not sealed for {}, because "
        "dmarc_mitigate_action is wrap_message; munge_from keeps chains",
        [each for each in sealed if each.wraps],
    )
    yield from _about(
        Severity.WARNING,
        "posts of {} have neither List-Id nor List-Unsubscribe, which large "
        "receivers ask for; set include_rfc2369_headers",
        [each for each in lists if not each.has_list_fields],
    )
    for each in lists:
        for problem in each.configuration.problems:
            yield Finding(
                Severity.WARNING,
                f"a setting of {each.address} is passed over: {problem}; change it or "
                f"unset it with `mailman arc settings {each.address}`",
            )


def judge_handling(
    lists: Sequence[ListState], *, is_judged_early: bool
) -> Iterator[Finding]:
    """What keeps lists from doing what they want done with posts that fail.

    With `is_judged_early`, the verdict is there when Mailman decides on posts.
    """
    if not is_judged_early:
        yield from _about(
            Severity.WARNING,
            "nothing is done with posts to {} that fail, whatever the settings say, "
            "because nobody has judged them when Mailman decides on them: mailman.cfg "
            "needs our class in [runner.lmtp] or [runner.in]",
            [each for each in lists if is_in_use(each.configuration.settings)],
        )


def _about(severity: Severity, text: str, lists: list[ListState]) -> Iterator[Finding]:
    if lists:
        yield Finding(severity, text.format(_some([each.address for each in lists])))


def judge_last_posts(
    each: ListState, posts: Iterable[LastPost], *, has_door: bool
) -> Iterator[Finding]:
    """What became of a list's last posts.

    With `has_door`, those that come by LMTP are judged on arrival.
    """
    known = list(posts)
    unjudged = sum(not post.is_judged for post in known)
    if has_door and unjudged >= FEWEST_POSTS:
        yield Finding(
            Severity.WARNING,
            f"{unjudged} of the last {len(known)} posts of {each.address} came in past "
            "the door, and nobody had judged them when Mailman decided on them; see "
            "that your mail server delivers by LMTP, or let the incoming runner judge "
            "them (README, Where mail comes in otherwise)",
        )
    reasons = [post.unsealed for post in known if post.unsealed is not None]
    is_meant = each.mode.seals and not each.configuration.settings.shadow
    if is_meant and len(reasons) >= FEWEST_POSTS and all(reasons):
        counted = Counter(reasons).most_common()
        told = _some([f"{reason} ({number})" for reason, number in counted])
        yield Finding(
            Severity.WARNING,
            f"of the last {len(reasons)} posts of {each.address} that left none was "
            f"sealed: {told}; `mailman arc history {each.address}` names them, and the "
            "README (What you see) says what to do about each reason",
        )


def judge_directory(
    path: str, *, is_there: bool, is_writable: bool
) -> Iterator[Finding]:
    """A directory in which Mailman's user has to make files."""
    if not is_there:
        yield Finding(
            Severity.ERROR,
            f"the directory {path} is missing; make it, for Mailman's user",
        )
    elif not is_writable:
        yield Finding(
            Severity.ERROR,
            f"Mailman's user cannot write in {path}; chown and chmod 0755 let it",
        )


def judge_queues(shunted: int) -> Iterator[Finding]:
    """Messages that Mailman has put aside after an error."""
    if shunted:
        yield Finding(
            Severity.WARNING,
            f"{shunted} in Mailman's queue shunt, put aside after an error that "
            "mailman.log tells; `mailman unshunt` tries them again",
        )


def summarise(findings: Iterable[Finding]) -> str:
    """How many errors and warnings there are, in words."""
    severities = [each.severity for each in findings]
    counts: Mapping[str, int] = {
        "error": severities.count(Severity.ERROR),
        "warning": severities.count(Severity.WARNING),
    }
    told = [
        f"{count} {what}{'s' if count > 1 else ''}"
        for what, count in counts.items()
        if count
    ]
    return " and ".join(told) or "no faults"


def _some(names: Sequence[str]) -> str:
    """Names in a sentence, not too many."""
    left = len(names) - MAX_NAMED
    shown = ", ".join(names[:MAX_NAMED])
    return f"{shown} and {left} more" if left > 0 else shown


def _domains(names: Iterable[str]) -> Iterator[str]:
    """Those that the DNS can be asked for, as it is asked."""
    for name in names:
        try:
            yield parse_domain(name)
        except MalformedField:
            continue
