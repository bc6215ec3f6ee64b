"""What the doctor makes of keys, the DNS, lists and files; and what is healthy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from mailman_arc.mailauth.answers import LookupFailed, TxtRecords
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.policy.configuration import parse_configuration
from mailman_arc.policy.diagnosis import (
    MAX_NAMED,
    Finding,
    LastPost,
    ListState,
    Pipeline,
    Severity,
    judge_directory,
    judge_dns,
    judge_handling,
    judge_key,
    judge_last_posts,
    judge_lists,
    judge_mail_domain,
    judge_pipelines,
    judge_queues,
    names_for_diagnosis,
    summarise,
)
from mailman_arc.policy.dnsrecord import record_value
from mailman_arc.policy.settings import FailureAction, ListSettings, SiteSettings
from tests.support.keys import ed25519_key, key_record, rsa_key
from tests.support.zone import NO_DATA, NXDOMAIN, SERVFAIL, Zone


HOST = "lists.example"
NAME = "arc._domainkey.lists.example"
KEY = rsa_key(2048)
IDENTITY = SealingIdentity(HOST, "arc", KEY)
RECORD = key_record(KEY)
MAIL_DOMAIN = {
    HOST: TxtRecords((b"other", b"v=spf1 mx -all")),
    f"_dmarc.{HOST}": TxtRecords((b"v=DMARC1; p=reject",)),
}
CONFIGURATION = parse_configuration(
    {"arc": {"domain": HOST, "selector": "arc", "key_file": "/k"}}
)
LIST = ListState(
    "a.lists.example",
    "a@lists.example",
    HOST,
    CONFIGURATION.for_list(HOST),
    "default-posting-pipeline",
    wraps=False,
    has_list_fields=True,
)
SILENT = replace(LIST, configuration=CONFIGURATION.for_list(HOST, {"mode": "none"}))
PIPELINE = Pipeline("default-posting-pipeline", 0, is_mailmans=True)


def problems(findings: Iterable[Finding]) -> list[str]:
    """Severity and text of what is not good."""
    return [
        f"{each.severity}: {each.text}"
        for each in findings
        if each.severity is not Severity.GOOD
    ]


def only(findings: Iterable[Finding]) -> str:
    [problem] = problems(findings)
    return problem


# Keys


@pytest.mark.parametrize(
    "record", [RECORD, RECORD.removeprefix(b"v=DKIM1; "), RECORD.replace(b"; ", b";")]
)
def test_a_key_that_the_dns_shows_is_good(record):
    [finding] = judge_key(IDENTITY, Zone({NAME: TxtRecords((record,))}))

    assert finding == Finding(Severity.GOOD, f"the DNS shows the key at {NAME}")


WRONG_RECORDS = {
    "missing": (NXDOMAIN, "(there is none); publish there"),
    "no TXT": (NO_DATA, "(there is none); publish there"),
    "of another key": (TxtRecords((key_record(rsa_key(2048, 1)),)), "another one"),
    "of another type": (TxtRecords((key_record(ed25519_key()),)), "another one"),
    "revoked": (TxtRecords((b"v=DKIM1; p=",)), "it is revoked there"),
    "not base64": (TxtRecords((b"v=DKIM1; p=?",)), "used: key syntax error"),
    "not for mail": (TxtRecords((RECORD + b"; s=tls",)), "used: key is not for mail"),
}


@pytest.mark.parametrize(("answer", "said"), WRONG_RECORDS.values(), ids=WRONG_RECORDS)
def test_a_record_that_is_wrong_is_an_error_with_the_right_one(answer, said):
    problem = only(judge_key(IDENTITY, Zone({NAME: answer})))

    assert problem.startswith(f"error: the DNS does not show the key at {NAME} (")
    assert said in problem
    assert problem.endswith(record_value(KEY.verifying_key))


def test_a_key_is_one_record():
    for texts in ((RECORD, RECORD), (RECORD, b"v=spf1 -all")):
        problem = only(judge_key(IDENTITY, Zone({NAME: TxtRecords(texts)})))
        assert problem.startswith(f"warning: there are 2 TXT records at {NAME}, ")

    cut = TxtRecords((RECORD[:255], RECORD[255:]))
    missing, several = problems(judge_key(IDENTITY, Zone({NAME: cut})))
    assert missing.startswith("error: the DNS does not show the key")
    assert several.startswith("warning: there are 2 TXT records")


def test_a_key_on_trial_is_warned_of():
    zone = Zone({NAME: TxtRecords((RECORD + b"; t=y:s",))})

    assert "has the flag t=y, for a test" in only(judge_key(IDENTITY, zone))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (rsa_key(1024), "has 1024 bits only; make a new one of 2048"),
        (rsa_key(4160), "has 4160 bits, and not every verifier takes more than 4096"),
        (ed25519_key(), "the key is Ed25519, which most receivers of ARC cannot"),
    ],
)
def test_keys_that_not_everybody_takes_are_warned_of(key, said):
    zone = Zone({NAME: TxtRecords((key_record(key),))})

    problem = only(judge_key(replace(IDENTITY, key=key), zone))

    assert problem.startswith("warning: ")
    assert said in problem


def test_a_name_can_be_too_long():
    long = replace(IDENTITY, selector=".".join(["s" * 60] * 4))

    problem = only(judge_key(long, Zone()))

    assert problem.startswith("error: nobody can look up the key at sss")
    assert names_for_diagnosis([long], []) == set()


def test_that_the_dns_does_not_answer_is_told_of_once():
    answers = dict.fromkeys(names_for_diagnosis([IDENTITY], [HOST]), SERVFAIL)

    assert problems(judge_key(IDENTITY, answers)) == []
    assert problems(judge_mail_domain(HOST, answers)) == []
    assert only(judge_dns(answers, 0.1, SiteSettings())).startswith("error: the DNS")


# Mail domains


def test_the_names_to_look_up():
    assert names_for_diagnosis([IDENTITY], ["Lists.Example", "no domain"]) == {
        *(NAME, HOST, "_dmarc.lists.example", "_dmarc.example"),
    }


def test_a_mail_domain_that_is_well_published():
    assert problems(judge_mail_domain(HOST, Zone(MAIL_DOMAIN))) == []
    assert problems(judge_mail_domain(f"sub.{HOST}", Zone())) != []
    assert problems(judge_mail_domain("no domain", Zone())) == []


WRONG_DOMAINS = {
    "no such name": (
        {HOST: NXDOMAIN},
        "has no SPF record; publish there a TXT record that names the servers which "
        "send its mail, such as: v=spf1 mx -all",
    ),
    "no SPF": ({HOST: TxtRecords((b"v=spf10 -all",))}, "has no SPF record"),
    "two SPF": (
        {HOST: TxtRecords((b"v=spf1 mx", b"V=SPF1"))},
        "has 2 SPF records, so that none counts",
    ),
    "no DMARC": (
        {f"_dmarc.{HOST}": NXDOMAIN},
        "has no DMARC record that counts; publish at _dmarc.lists.example one TXT "
        "record, such as: v=DMARC1; p=none",
    ),
    "two DMARC": (
        {f"_dmarc.{HOST}": TxtRecords((b"v=DMARC1", b"v=DMARC1; p=reject"))},
        "has no DMARC record that counts",
    ),
    "unreadable DMARC": (
        {f"_dmarc.{HOST}": TxtRecords((b"v=DMARC1; p=rejekt",))},
        "the policy in the DMARC record at _dmarc.lists.example cannot be read",
    ),
}


@pytest.mark.parametrize(("records", "said"), WRONG_DOMAINS.values(), ids=WRONG_DOMAINS)
def test_what_a_mail_domain_lacks_is_warned_of(records, said):
    problem = only(judge_mail_domain(HOST, Zone({**MAIL_DOMAIN, **records})))

    assert problem.startswith("warning: ")
    assert said in problem


def test_the_dmarc_record_of_a_parent_counts():
    zone = Zone({**MAIL_DOMAIN, f"sub.{HOST}": TxtRecords((b"v=spf1",))})

    assert problems(judge_mail_domain(f"sub.{HOST}", zone)) == []


# The DNS


ANSWERS = {"a.example": NXDOMAIN, "b.example": NO_DATA}
DEAD = dict.fromkeys(ANSWERS, LookupFailed("no answer from 192.0.2.1"))


def test_a_dns_that_answers_in_time():
    [finding] = judge_dns(ANSWERS, 2.9, SiteSettings())

    assert finding == Finding(Severity.GOOD, "the DNS answers; names looked up: 2")
    assert list(judge_dns({}, 0, SiteSettings())) == []


@pytest.mark.parametrize(
    ("hold", "fate"),
    [
        (1800, "those with a chain wait for 30m and are delivered without a seal"),
        (0, "those with a chain are delivered without a seal"),
    ],
)
def test_a_dns_that_does_not_answer(hold, fate):
    problem = only(judge_dns(DEAD, 10, SiteSettings(temperror_hold=hold)))

    assert problem == (
        "error: the DNS does not answer (no answer from 192.0.2.1): no post can be "
        f"judged, and {fate}; see that `nameservers` in arc.cfg, or else "
        "/etc/resolv.conf, names servers that answer"
    )


def test_names_without_an_answer():
    problem = only(judge_dns({**ANSWERS, "c.example": SERVFAIL}, 10, SiteSettings()))

    assert problem.startswith(
        "warning: the DNS does not answer for c.example (SERVFAIL); try again"
    )


def test_a_slow_dns():
    problem = only(judge_dns(ANSWERS, 3.04, SiteSettings(dns_timeout=3)))

    assert problem.startswith("warning: the DNS took 3.0 s, as long as dns_timeout")


def test_a_zone_file_in_its_place_is_for_tests():
    problem = only(judge_dns(ANSWERS, 0, SiteSettings(test_keys="/x.zone")))

    assert problem.startswith("warning: /x.zone answers instead of the DNS")


# Pipelines and lists


def test_a_list_that_is_well():
    assert list(judge_pipelines([PIPELINE], [LIST], "arc")) == []
    assert list(judge_lists([LIST, SILENT], has_identities=True)) == []


@pytest.mark.parametrize(
    ("lists", "users"),
    [([LIST], " (used by a@lists.example)"), ([SILENT], ""), ([], "")],
)
def test_a_pipeline_without_the_handler(lists, users):
    problem = only(judge_pipelines([replace(PIPELINE, place=None)], lists, "arc"))

    assert problem == (
        f"error: posts are not sealed: the pipeline default-posting-pipeline{users} "
        "does not have the handler arc; [plugin.arc] in mailman.cfg needs the line "
        "'component_package: mailman_arc.plugin'"
    )


def test_a_pipeline_of_somebody_else_without_the_handler():
    theirs = Pipeline("theirs", None, is_mailmans=False)

    problem = only(judge_pipelines([theirs], [replace(LIST, pipeline="theirs")], "arc"))

    assert "(used by a@lists.example)" in problem
    assert "give these lists the posting_pipeline default-posting-pipeline" in problem


def test_a_handler_that_is_not_the_first():
    problem = only(judge_pipelines([replace(PIPELINE, place=2)], [LIST], "arc"))

    assert problem.startswith("warning: the pipeline default-posting-pipeline (used")
    assert problem.endswith(
        "has other handlers before arc; posts that they change "
        "are not sealed; put it first"
    )


UNSEALED = replace(LIST.configuration, identity=None)
WRONG_LISTS = {
    "nobody seals": (
        replace(LIST, configuration=UNSEALED),
        "error: posts of a@lists.example are not sealed: no identity in arc.cfg has "
        "the list's mail domain or a parent of it",
    ),
    "wrapped": (
        replace(LIST, wraps=True),
        "warning: posts that come with an ARC chain are not sealed for "
        "a@lists.example, because dmarc_mitigate_action is wrap_message; munge_from",
    ),
    "no list fields": (
        replace(LIST, has_list_fields=False),
        "warning: posts of a@lists.example have neither List-Id nor List-Unsubscribe",
    ),
    "a setting that counts no more": (
        replace(LIST, configuration=CONFIGURATION.for_list(HOST, {"mode": "gone"})),
        "warning: a setting of a@lists.example is passed over: mode: 'gone' is none",
    ),
}


@pytest.mark.parametrize(("state", "said"), WRONG_LISTS.values(), ids=WRONG_LISTS)
def test_what_is_wrong_with_a_list(state, said):
    assert only(judge_lists([LIST, state], has_identities=True)).startswith(said)


def test_that_nobody_can_seal_anything_is_told_elsewhere():
    unsealed = replace(LIST, configuration=UNSEALED)

    assert list(judge_lists([unsealed], has_identities=False)) == []


def test_what_does_not_matter_without_a_seal_is_not_told():
    nobody = replace(SILENT.configuration, identity=None)
    quiet = replace(SILENT, wraps=True, configuration=nobody)

    assert list(judge_lists([quiet], has_identities=True)) == []


def test_not_all_lists_are_named():
    lists = [
        replace(LIST, address=f"{number}@x", wraps=True)
        for number in range(MAX_NAMED + 2)
    ]

    problem = only(judge_lists(lists, has_identities=True))

    assert "for 0@x, 1@x, 2@x, 3@x, 4@x and 2 more, because" in problem


def test_lists_whose_posts_are_judged_too_late_for_what_they_want_done():
    wish = replace(
        LIST.configuration, settings=ListSettings(unconfirmed_action=FailureAction.HOLD)
    )
    wishing = replace(LIST, address="wish@x", configuration=wish)

    problem = only(judge_handling([LIST, wishing], is_judged_early=False))

    assert problem.startswith("warning: nothing is done with posts to wish@x that fail")
    assert list(judge_handling([LIST, wishing], is_judged_early=True)) == []
    assert list(judge_handling([LIST], is_judged_early=False)) == []


# Files, queues, all of it


def test_directories():
    def judge(is_there: bool, is_writable: bool) -> list[str]:
        found = judge_directory("/var/x", is_there=is_there, is_writable=is_writable)
        return problems(found)

    assert judge(True, True) == []
    assert judge(True, False) == [
        "error: Mailman's user cannot write in /var/x; chown and chmod 0755 let it"
    ]
    assert judge(False, False) == [
        "error: the directory /var/x is missing; make it, for Mailman's user"
    ]


SEALED = LastPost(is_judged=True, unsealed="")
WAITING = LastPost(is_judged=True, unsealed=None)
NOT_SEALED = LastPost(is_judged=True, unsealed="no usable key")
PAST_DOOR = LastPost(is_judged=False, unsealed=None)


@pytest.mark.parametrize(
    "posts",
    [
        [],
        [NOT_SEALED] * 2,
        [NOT_SEALED] * 19 + [SEALED],
        [WAITING] * 3,
        [NOT_SEALED] * 2 + [WAITING] * 3,
        [PAST_DOOR] * 2 + [SEALED],
    ],
)
def test_last_posts_that_tell_nothing(posts):
    assert list(judge_last_posts(LIST, posts, has_door=True)) == []


def test_last_posts_of_which_none_was_sealed():
    other = LastPost(is_judged=True, unsealed="proof failed")

    assert only(
        judge_last_posts(LIST, [other, NOT_SEALED, NOT_SEALED, WAITING], has_door=True)
    ) == (
        "warning: of the last 3 posts of a@lists.example that left none was sealed: no "
        "usable key (2), proof failed (1); `mailman arc history a@lists.example` names "
        "them, and the README (What you see) says what to do about each reason"
    )


@pytest.mark.parametrize(
    "own", [{"mode": "v"}, {"mode": "none"}, {"shadow": "yes"}], ids=str
)
def test_last_posts_that_were_not_to_be_sealed(own):
    quiet = replace(LIST, configuration=CONFIGURATION.for_list(HOST, own))

    assert list(judge_last_posts(quiet, [NOT_SEALED] * 5, has_door=True)) == []


def test_last_posts_that_came_in_past_the_door():
    posts = [PAST_DOOR] * 3 + [SEALED]

    assert "warning: 3 of the last 4 posts of a@lists.example came in past the " in (
        only(judge_last_posts(LIST, posts, has_door=True))
    )
    assert list(judge_last_posts(LIST, posts, has_door=False)) == []


def test_queues():
    assert list(judge_queues(0)) == []
    assert only(judge_queues(2)).startswith("warning: 2 in Mailman's queue shunt")


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        ("", "no faults"),
        ("g", "no faults"),
        ("eg", "1 error"),
        ("ww", "2 warnings"),
        ("wee", "2 errors and 1 warning"),
    ],
)
def test_the_summary(severities, said):
    words = {each.value[0]: each for each in Severity}

    assert summarise(Finding(words[each], "") for each in severities) == said
