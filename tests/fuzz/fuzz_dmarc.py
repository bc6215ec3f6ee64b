"""Any domains with any DNS answers get a DMARC verdict, from names told before.

A look-up that fails makes a temperror or changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from mailman_arc.mailauth.answers import LookupFailed
from mailman_arc.mailauth.author import Author
from mailman_arc.mailauth.dmarc import (
    MAX_IDENTIFIERS,
    DmarcVerdict,
    Identifier,
    evaluate_dmarc,
    names_to_look_up,
)
from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.treewalk import (
    MAX_QUERIES,
    names_of_walk,
    organizational_domain,
)
from tests.fuzz.harness import (
    DMARC_WORDS,
    PART,
    Refused,
    answers_of,
    as_text,
    is_sampled,
    readings,
    steady,
)
from tests.support.zone import Zone


SEEDS = (
    b"author.example",
    b"author.example,author.example," + PART * 2 + b"v=DMARC1; p=reject",
    b"a.b.example,c.b.example" + PART + b"+\x00\x01" + PART + b"!" + PART + b"-",
    b"a.b.c.d.e.f.g.h.i.j,i.j" + PART + b"v=DMARC1; psd=y",
    b"a.b,b.b,c.b,d.b,e.b" + PART * 2 + b"v=DMARC1; np=reject; p=none; t=y",
    b"aaa.b,b.b,c.b,d.b,e.b,f.b" + PART * 2 + b"v=DMARC1; np=reject; p=none",
    b"a.b" + PART * 2 + b"v=DMARC1; np=reject; p=none",
    b".".join([b"a" * 63] * 3 + [b"b" * 57]),
)
# The first ones are for names, the others for records.
WORDS = (
    b"a.", b"b.", b"a.b.", b"example", b"author.example", b"com", b",", b",", b"x.",
    b"a" * 63 + b".", PART, PART, PART, PART + b"!", PART + b"-", PART + b"+",
    *DMARC_WORDS,
)  # fmt: skip

RESULTS = (Result.PASS, Result.TEMPERROR, Result.FAIL, Result.TEMPERROR)
METHODS = ("dkim", "spf", "dkim")


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        first, *texts = octets.split(PART)
        names = [
            steady(parse_domain, as_text(each))
            for each in first.split(b",")[: 1 + MAX_IDENTIFIERS]
        ]
        domains = [name for name in names if not isinstance(name, Refused)]
        if domains:
            check_domains(domains, texts)


def check_domains(domains: list[str], texts: list[bytes]) -> None:
    author, *others = domains
    identifiers = [
        Identifier(METHODS[number % 3], domain, RESULTS[(number + len(author)) % 4])
        for number, domain in enumerate(others)
    ]
    names = names_to_look_up(author, others)
    answers = answers_of(texts, names, DMARC_WORDS)
    before = dict(answers)
    verdict = evaluate_dmarc(Author(author), identifiers, answers)
    if is_sampled(author):
        assert evaluate_dmarc(Author(author), identifiers, answers) == verdict
    assert set(answers.asked) <= names
    assert dict(answers) == before
    check_verdict(verdict, identifiers)
    check_walk(author, answers)
    for name in sorted(set(answers.asked)):
        failing = answers.with_records({name: LookupFailed()})
        other = evaluate_dmarc(Author(author), identifiers, failing)
        assert other.result in (verdict.result, Result.TEMPERROR)
        if other.result is Result.FAIL:
            assert other.policy == verdict.policy


def check_verdict(verdict: DmarcVerdict, identifiers: list[Identifier]) -> None:
    assert (verdict.result is Result.PASS) == (verdict.aligned is not None)
    assert (verdict.result is Result.PASS) == (verdict.reason is None)
    assert (verdict.policy is not None) == (
        verdict.result in (Result.PASS, Result.FAIL)
    )
    if verdict.aligned is not None:
        assert verdict.aligned in identifiers
        assert verdict.aligned.result is Result.PASS


def check_walk(domain: str, answers: Zone) -> None:
    names = names_of_walk(domain)
    assert len(names) <= MAX_QUERIES
    organization = organizational_domain(domain, answers)
    if not isinstance(organization, LookupFailed):
        assert is_same_or_subdomain(domain, organization)
