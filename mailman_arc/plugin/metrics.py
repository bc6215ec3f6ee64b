"""Numbers for Prometheus: posts by verdict, what was sealed, and the keys.

They come from the database and the key files, so that any process can tell
them.  The text format is that of version 0.0.4, which node_exporter's textfile
collector reads, too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.adapters.store.historyrows import Counts
from mailman_arc.plugin.historylist import history_of
from mailman_arc.plugin.keylist import ListedKey, list_keys
from mailman_arc.plugin.release import installed_version
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.history import UNJUDGED


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_VERDICTS = ("confirmed", "vouched", "unconfirmed", "unchecked")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

_Sample = tuple[dict[str, str], int]


def metric_lines(services: Services, *, by_list: bool = True) -> list[str]:
    """The lines of all metrics; raises `StoreError`.

    Without `by_list`, the numbers of all lists are added up.
    """
    now = int(time.time())
    version = [({"version": installed_version()}, 1)]
    posts = [
        (({"list": each.list_id} if by_list else {}), each.counts)
        for each in history_of(services).metrics(now)
    ]
    return [
        *_metric("info", "gauge", "The version.", version),
        *_of_posts(posts),
        *_of_keys(services, now),
    ]


def _of_posts(posts: Sequence[tuple[dict[str, str], Counts]]) -> Iterator[str]:
    yield from _metric(
        "posts_total",
        "counter",
        "Posts that arrived, by what was found of their authors.",
        (
            ({**labels, "verdict": verdict}, number)
            for labels, counts in posts
            for verdict, number in _by_verdict(counts)
        ),
    )
    yield from _metric(
        "sealed_total",
        "counter",
        "Posts that left, sealed or not.",
        (
            ({**labels, "result": result}, getattr(counts, result))
            for labels, counts in posts
            for result in ("sealed", "unsealed")
        ),
    )
    yield from _metric(
        "broken_chains_total",
        "counter",
        "Posts that arrived with ARC sets which did not verify.",
        ((labels, counts.broken_chain) for labels, counts in posts),
    )


def _by_verdict(counts: Counts) -> Iterator[tuple[str, int]]:
    unjudged = counts.posts
    for verdict in _VERDICTS:
        number = getattr(counts, verdict)
        unjudged -= number
        yield verdict, number
    yield UNJUDGED, unjudged


def _of_keys(services: Services, now: int) -> Iterator[str]:
    try:
        keys, _ = list_keys(services)
    except KeyFileError:
        return  # `mailman arc doctor` tells
    yield from _metric(
        "key_dns_ok",
        "gauge",
        "Whether the DNS showed the key when it was last asked.",
        [(_labels(each), int(_is_shown(services, each))) for each in keys],
    )
    yield from _metric(
        "key_age_seconds",
        "gauge",
        "How old a key is that was made here.",
        [
            (_labels(each), now - each.stored.created_at)
            for each in keys
            if each.stored is not None
        ],
    )


def _labels(key: ListedKey) -> dict[str, str]:
    return {"domain": key.domain, "selector": key.selector}


def _is_shown(services: Services, key: ListedKey) -> bool:
    try:
        public = services.keys.get(key.path).verifying_key
    except KeyFileError:
        return False
    return services.key_watch.remembered(key.record_name, public) is not None


def _metric(
    name: str, kind: str, told: str, samples: Iterable[_Sample]
) -> Iterator[str]:
    """The lines of one metric; samples with the same labels are added up."""
    yield f"# HELP mailman_arc_{name} {told}"
    yield f"# TYPE mailman_arc_{name} {kind}"
    sums: Counter[str] = Counter()
    for labels, value in samples:
        pairs = (f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
        sums[",".join(pairs)] += value
    for pairs_told, total in sums.items():
        braces = f"{{{pairs_told}}}" if pairs_told else ""
        yield f"mailman_arc_{name}{braces} {total}"
