"""Write docs/what-works.md: `python -m tests.e2e.matrix --write`.

Without `--write` it is printed.  It takes minutes: two Mailmans are started, and
every post goes through every list.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from mailman_arc.policy.outbound import Unsealed
from tests.e2e.matrix_arrival import (
    CASES,
    FORMS,
    READ_IN_TWO_WAYS,
    REFUSED,
    WITH_DOOR,
    WITHOUT_DOOR,
    arrivals,
)
from tests.e2e.matrix_features import FEATURES, Feature, Where
from tests.e2e.matrix_posts import Post, all_posts
from tests.e2e.matrix_run import Cell, Found, all_keys, arrival_keys, run


DOCUMENT = Path(__file__).parents[2] / "docs/what-works.md"
ENDED = f"not sealed: {Unsealed.CHAIN_ENDED}"

HEAD = """\
# What works

Written by `python -m tests.e2e.matrix --write` from a run through real Mailman;
`make test` fails when it is not true any more. Every sealed copy was verified, as
it was on the wire, by dkimpy and Mail::DKIM; where the chain of a post had been
broken before, its newest set by dkimpy. Everybody got every post, and nothing was
shunted.
"""
LISTS = """\
## What lists do to posts

*Copies* is how many messages leave for one post, *different* how many of them are
(and need a seal each), *author* in how many posts the author's own signature is
still good, of {signed} that had one on arrival.
A list has 3 members if nothing else is said. Posts whose chain somebody before us
has ended (`cv=fail`) are not sealed, but on anonymous lists, which begin a new
chain.

| the list | posts | copies | different | author | sealed | not sealed, and why |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
"""
NOT_HERE = """\
Not in the table, because it does not go through our delivery or Mailman 3 does not
have it: posts that are passed on to a news server, and scrubbed attachments
outside of plain digests. Where Mailman collects posts for digests, it puts ">"
before lines that begin with "From " in 8-bit text, also of the post that goes out;
that breaks signatures of authors, but no seal.
"""
POSTS = """\
### The posts

Each is signed by its author (DKIM, relaxed/simple):
"""
NOTICES_HEAD = """\
## What Mailman writes itself

There is no author to vouch for, so none of it is sealed.

| mail | what the log says |
| --- | --- |
"""
ARRIVAL = """\
## What is found on arrival

{count} posts whose spelling may be lost when a message is parsed and written again:
{cases} cases, each with a signature that is valid on the wire, as others say too,
with `c={forms}`.

| judged | dkim=pass | of |
| --- | ---: | ---: |
"""
LOST = """\
Lost with the door:

{with_door}

Lost without the section `[runner.lmtp]`, where posts are judged from what Mailman's
parser keeps:

{without_door}

Mailman itself refuses, with or without us: {refused}.
"""
IN_TWO_WAYS = "its header can be read in two ways, and people get to read the other one"


def document(found: Found) -> str:
    """The whole file."""
    return "\n".join(
        [
            HEAD,
            LISTS.format(signed=_signed()) + "".join(_rows(found)),
            NOT_HERE,
            POSTS,
            "".join(f"* {name}\n" for name in all_posts()),
            NOTICES_HEAD
            + "".join(
                f"| {notice.title} | {cell.outcome} |\n"
                for notice, cell in found.notices.items()
            ),
            _arrival(found),
        ]
    )


def _signed() -> str:
    had = [p for p in all_posts().values() if "dkim=pass" in p.arrives_as]
    return f"{len(had) - 1} ({len(had)} with 10 MB)"


def _rows(found: Found) -> Iterator[str]:
    for where in Where:
        yield f"| *{where}:* | | | | | | |\n"
        for feature in FEATURES:
            if feature.where is where:
                yield _row(feature, found)


def _row(feature: Feature, found: Found) -> str:
    cells = {post.name: c for (f, post), c in found.cells.items() if f is feature}
    sealed = [name for name, c in cells.items() if c.outcome.startswith("sealed")]
    columns = (
        feature.title + (f" ({feature.members})" if feature.members != 3 else ""),
        len(cells),
        _range(len(cell.copies) for cell in cells.values()),
        "" if feature.seals is None else _range(c.seals for c in cells.values()),
        _author(cells),
        len(sealed),
        _reasons(cells),
    )
    return f"| {' | '.join(map(str, columns))} |\n"


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return " to ".join(map(str, dict.fromkeys((found[0], found[-1]))))


def _author(cells: Mapping[str, Cell]) -> str:
    """In how many the author's signature is still good; the others, if few."""
    good = {name for name, cell in cells.items() if cell.is_author_signed}
    signed = {p.name for p in all_posts().values() if "dkim=pass" in p.arrives_as}
    lost = [name for name in cells if name in signed - good]
    return f"{len(good)} (not {', '.join(lost)})" if good and lost else str(len(good))


def _reasons(cells: Mapping[str, Cell]) -> str:
    told = []
    outcomes = {cell.outcome for cell in cells.values()}
    for outcome in sorted(each for each in outcomes if each.startswith("not")):
        names = ", ".join(
            post.name
            for post in all_posts().values()
            if post.name in cells
            and cells[post.name].outcome == outcome
            and (post.chain != "ended" or outcome != ENDED)
        )
        if names:
            told.append(f"{names}: {outcome.removeprefix('not sealed: ')}")
    return "; ".join(told)


def _arrival(found: Found) -> str:
    lines = []
    lost: dict[Feature, str] = {}
    refused: set[str] = set()
    for feature in (WITH_DOOR, WITHOUT_DOOR):
        cells = {key[1]: c for key, c in found.cells.items() if key[0] is feature}
        refused |= {post.name for post, cell in cells.items() if cell.refusal}
        taken = {post: c for post, c in cells.items() if not c.refusal}
        passed = {post for post, c in taken.items() if "dkim=pass" in c.arrival}
        lines.append(f"| {feature.title} | {len(passed)} | {len(taken)} |\n")
        lost[feature] = "".join(
            f"* {name}: {_forms(name, set(taken) - passed)}\n"
            for name in CASES
            if _forms(name, set(taken) - passed)
        )
    head = ARRIVAL.format(
        count=len(arrivals()), cases=len(CASES), forms="` and with `c=".join(FORMS)
    )
    return f"{head}{''.join(lines)}\n" + LOST.format(
        with_door=lost[WITH_DOOR].rstrip("\n"),
        without_door=lost[WITHOUT_DOOR].rstrip("\n"),
        refused=", ".join(name for name in CASES if name in refused) or "nothing",
    )


def _forms(name: str, lost: Set[Post]) -> str:
    forms = [form for form in FORMS if arrivals()[name, form] in lost]
    why = f" ({IN_TWO_WAYS})" if name in READ_IN_TWO_WAYS else ""
    return " and ".join(forms) + why if forms else ""


def main(arguments: list[str]) -> None:
    found = run([*all_keys(), *arrival_keys()])
    text = document(found)
    for (feature, post), cell in found.cells.items():
        for problem in cell.problems if post.name not in REFUSED else ():
            sys.stderr.write(f"{feature.name}, {post.name}: {problem}\n")
    for trouble in found.trouble:
        sys.stderr.write(f"{trouble}\n")
    if "--write" in arguments:
        DOCUMENT.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
