"""Whether the posts of a list are sealed, and what keeps them from it.

Made for its owners: where keys are and how the database is reached is told to
the administrator of the site only, by the log and `mailman arc doctor`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.doctor import find_in_history, list_state, pipeline_state
from mailman_arc.plugin.findings import (
    find_in_mailman_cfg,
    find_where_posts_are_judged,
    find_whether_somebody_seals,
    has_door,
    is_judged_early,
)
from mailman_arc.plugin.startup import HANDLER
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.configuration import Identity
from mailman_arc.policy.diagnosis import (
    Finding,
    ListState,
    Severity,
    judge_handling,
    judge_lists,
    judge_pipelines,
)
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.settings import ListSettings


DATABASE_PROBLEM = (
    "the database cannot be used now: no history is kept, and the list's own settings "
    "are not known; `mailman arc doctor` says what helps"
)

_log = logging.getLogger("mailman.plugins.arc")


class State(StrEnum):
    """What is done with the posts of a list."""

    SEALING = "sealing"
    SHADOW = "shadow"  # nothing is added to them
    OFF = "off"
    PROBLEM = "problem"  # they should be sealed, and are not


@dataclass(frozen=True, slots=True)
class ListStatus:
    """How it stands with a list; `problems` are sentences, the worst first."""

    state: State
    settings: ListSettings
    identity: Identity | None
    selector: str  # of the key that seals; empty without one
    key_seen_at: int | None  # seconds since 1970, when the DNS first showed it
    has_door: bool
    problems: tuple[str, ...]
    database_problem: str


@dataclass(frozen=True, slots=True)
class _Key:
    identity: SealingIdentity | None
    seen_at: int | None
    findings: tuple[Finding, ...]


def status_of(services: Services, mlist: Any) -> ListStatus:
    """How it stands with a list of Mailman's.

    The DNS is waited for at the first look of this process at a key only.
    """
    database_problem = ""
    own = {}
    recent: list[Finding] = []
    try:
        own = {mlist.list_id: services.list_settings.values(mlist.list_id)}
        recent = list(find_in_history(services, [list_state(services, mlist, own)]))
    except StoreError as error:
        _log.error("status of %s: %s", mlist.list_id, error)
        database_problem = DATABASE_PROBLEM
    state = list_state(services, mlist, own)
    found = state.configuration
    key = _key(services, found.identity)
    findings = [
        *judge_lists([state], has_identities=_has_identities(services)),
        *judge_handling([state], is_judged_early=is_judged_early()),
    ]
    if found.settings.mode.seals:
        findings += [*_find_for_sealing(services, state), *key.findings, *recent]
    findings.sort(key=lambda each: each.severity is not Severity.ERROR)
    problems = [each.text for each in findings if each.severity is not Severity.GOOD]
    return ListStatus(
        _state(found.settings, findings),
        found.settings,
        found.identity,
        key.identity.selector if key.identity else "",
        key.seen_at,
        has_door(),
        tuple(dict.fromkeys(problems)),
        database_problem,
    )


def _state(settings: ListSettings, findings: list[Finding]) -> State:
    if not settings.mode.seals:
        return State.OFF
    if any(each.severity is Severity.ERROR for each in findings):
        return State.PROBLEM
    return State.SHADOW if settings.shadow else State.SEALING


def _has_identities(services: Services) -> bool:
    return bool(services.configuration.identities)


def _find_for_sealing(services: Services, state: ListState) -> Iterator[Finding]:
    yield from find_in_mailman_cfg()
    yield from find_whether_somebody_seals(services)
    yield from judge_pipelines([pipeline_state(state.pipeline)], [state], HANDLER)
    yield find_where_posts_are_judged()


def _key(services: Services, identity: Identity | None) -> _Key:
    if identity is None:
        return _Key(None, None, ())
    chosen = services.sealing_keys.choose(identity, int(time.time()))
    warnings = [Finding(Severity.WARNING, each) for each in chosen.warnings]
    match chosen.identity:
        case Unsealed.KEY_NOT_SHOWN:
            return _Key(None, None, (Finding(Severity.ERROR, chosen.errors[-1]),))
        case Unsealed():
            problem = (
                f"posts are not sealed: {identity.domain} has no key that can be used; "
                "`mailman arc identities` says why"
            )
            return _Key(None, None, (Finding(Severity.ERROR, problem),))
        case SealingIdentity(_, selector, key):
            if chosen.errors:
                problem = (
                    f"not all keys of {identity.domain} can be used; "
                    "`mailman arc identities` says why"
                )
                warnings.append(Finding(Severity.WARNING, problem))
            name = key_name(selector, identity.domain)
            seen_at = services.key_watch.remembered(name, key.verifying_key)
            return _Key(chosen.identity, seen_at, tuple(warnings))
