"""What is wrong with this site: looks at its files, its lists and the DNS.

Nothing is changed by it, but tables that are not up to date.  The judgements
are those of `policy.diagnosis`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lazr.config import as_boolean
from mailman.config import config
from mailman.database.transaction import transaction
from mailman.interfaces.listmanager import IListManager
from mailman.interfaces.mailinglist import DMARCMitigateAction
from zope.component import getUtility

from mailman_arc.adapters.keywatch import LooksUp
from mailman_arc.adapters.secretfile import SecretFileError, read_or_make_secret
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.historyrows import Entry, Filters
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.plugin.findings import (
    find_about_peers,
    find_in_database,
    find_in_mailman_cfg,
    find_where_posts_are_judged,
    find_whether_somebody_seals,
    has_door,
    is_judged_early,
)
from mailman_arc.plugin.historylist import history_of
from mailman_arc.plugin.sealingkeys import SealingKeys
from mailman_arc.plugin.startup import HANDLER, LEVELS, PIPELINES
from mailman_arc.plugin.wiring import KEY_DIRECTORY, SECRET_FILE, Services
from mailman_arc.policy.diagnosis import (
    LAST_POSTS,
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
from mailman_arc.policy.settings import Mode


_log = logging.getLogger("mailman.plugins.arc")

OwnValues = Mapping[str, Mapping[str, str]]  # the lists' own values, by list-id


def examine(
    services: Services,
    resolver: LooksUp,
    *,
    is_mailmans_user: bool = True,
    looks_back: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> list[Finding]:
    """All there is to say of a site; the DNS is asked once, for everything.

    It takes as long as the resolver lets a batch take, and, if it looks back at the
    last posts, a moment for each list.  What belongs to Mailman's user is left
    alone unless we are that user: what is made in passing would belong to somebody
    else.  `clock` counts seconds.
    """
    found = [
        *find_in_mailman_cfg(),
        find_where_posts_are_judged(),
        *find_about_peers(services),
        *_find_about_removal(),
        *find_whether_somebody_seals(services),
    ]
    own: OwnValues = {}
    has_database = False
    if is_mailmans_user:
        found += _find_in_data_directory(services)
        trouble = [*find_in_database(services)]
        found += trouble
        has_database = not trouble
        own = _own_values(services) if has_database else {}
    lists = _lists(services, own)
    if has_database and looks_back:
        found += _find_in_history(services, lists)
    found += judge_pipelines(_pipelines(lists), lists, HANDLER)
    has_identities = bool(services.configuration.identities)
    found += judge_lists(lists, has_identities=has_identities)
    found += judge_handling(lists, is_judged_early=is_judged_early())
    found += judge_queues(len(config.switchboards["shunt"].files))

    keys, problems = _keys(services)
    found += problems
    hosts = sorted({each.mail_host for each in lists})
    started = clock()
    answers = resolver.fetch(names_for_diagnosis(keys, hosts))
    found += judge_dns(answers, clock() - started, services.settings)
    for key in keys:
        found += judge_key(key, answers)
    for host in hosts:
        found += judge_mail_domain(host, answers)
    # Two identities may have one key.
    return list(dict.fromkeys(found))


def report_summary(services: Services) -> None:
    """Say in the log how much is wrong.

    It takes one `dns_timeout` at most, and a look at all lists.
    """
    found = examine(services, services.hasty_resolver, looks_back=False)
    services.storage.database.close()
    severities = [each.severity for each in found]
    worst = max(severities, key=list(Severity).index)
    hint = "" if worst is Severity.GOOD else "; `mailman arc doctor` names them"
    _log.log(LEVELS[worst], "doctor: %s%s", summarise(found), hint)


def _find_about_removal() -> Iterator[Finding]:
    if as_boolean(config.mta.remove_dkim_headers):
        yield Finding(
            Severity.GOOD,
            "remove_dkim_headers is set in mailman.cfg; posts are judged before "
            "that, and sealed after it",
        )


def _find_in_data_directory(services: Services) -> Iterator[Finding]:
    directory = services.data_dir
    yield from _judge_directory(directory)
    made_here = directory / KEY_DIRECTORY
    for each in (made_here.parent, made_here):
        if each.exists():
            yield from _judge_directory(each)
    secret = directory / SECRET_FILE
    if secret.exists():
        try:
            read_or_make_secret(secret)
        except SecretFileError as error:
            yield Finding(
                Severity.ERROR,
                f"posts are judged twice, on arrival and in the pipeline: {error}",
            )


def _judge_directory(path: Path) -> Iterator[Finding]:
    return judge_directory(
        str(path),
        is_there=path.is_dir(),
        is_writable=os.access(path, os.W_OK | os.X_OK),
    )


def _lists(services: Services, own: OwnValues) -> list[ListState]:
    # With its end no other process has to wait for us.
    with transaction():
        return sorted(
            (
                list_state(services, each, own)
                for each in getUtility(IListManager).mailing_lists
            ),
            key=lambda each: each.address,
        )


def find_in_history(
    services: Services, lists: Iterable[ListState]
) -> Iterator[Finding]:
    """What became of the last posts of these lists; raises `StoreError`."""
    store = history_of(services)
    for each in lists:
        if each.mode is not Mode.NONE:
            posts = islice(store.scan(each.list_id, Filters(), LAST_POSTS), LAST_POSTS)
            known = map(_last_post, posts)
            yield from judge_last_posts(each, known, has_door=has_door())


def _last_post(entry: Entry) -> LastPost:
    unsealed = "" if entry.sealed else entry.unsealed or "nobody said why"
    return LastPost(bool(entry.verdict), None if entry.sealed is None else unsealed)


def _find_in_history(
    services: Services, lists: Iterable[ListState]
) -> Iterator[Finding]:
    try:
        yield from find_in_history(services, lists)
    except StoreError as error:
        yield Finding(Severity.ERROR, f"the history cannot be read: {error}")


def _own_values(services: Services) -> OwnValues:
    try:
        return services.list_settings.all()
    except StoreError:
        return {}  # `find_in_database` tells


def list_state(services: Services, mlist: Any, own: OwnValues) -> ListState:
    """What has to be known of a list of Mailman's; `own` is what lists have."""
    host = str(mlist.mail_host)
    return ListState(
        str(mlist.list_id),
        str(mlist.fqdn_listname),
        host,
        services.configuration.for_list(host, own.get(mlist.list_id)),
        str(mlist.posting_pipeline),
        wraps=mlist.dmarc_mitigate_action is DMARCMitigateAction.wrap_message,
        has_list_fields=bool(mlist.include_rfc2369_headers),
    )


def _pipelines(lists: Iterable[ListState]) -> list[Pipeline]:
    names = dict.fromkeys((*PIPELINES, *(each.pipeline for each in lists)))
    return [pipeline_state(name) for name in names]


def pipeline_state(name: str) -> Pipeline:
    """What has to be known of the pipeline of this name."""
    return Pipeline(name, _place(name), name in PIPELINES)


def _place(pipeline: str) -> int | None:
    handlers = [each.name for each in config.pipelines.get(pipeline, ())]
    return handlers.index(HANDLER) if HANDLER in handlers else None


def _keys(services: Services) -> tuple[list[SealingIdentity], list[Finding]]:
    """The key that each identity should seal with, and what is wrong with files."""
    keys = []
    problems = []
    # Without a watch, which asks the DNS and remembers what it said.
    files = SealingKeys(services.keys, services.key_store, watch=None)
    for identity in services.configuration.identities.values():
        chosen = files.choose(identity, int(time.time()))
        problems += [Finding(Severity.ERROR, each) for each in chosen.errors]
        problems += [Finding(Severity.WARNING, each) for each in chosen.warnings]
        if isinstance(chosen.identity, SealingIdentity):
            keys.append(chosen.identity)
    return keys, problems
