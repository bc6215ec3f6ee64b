"""`/lists`: what holds for each list, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import falcon
from mailman.config import config
from mailman.interfaces.listmanager import IListManager
from mailman.model.mailinglist import MailingList
from zope.component import getUtility

from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    not_found,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.collections import Page, wanted_page
from mailman_arc.plugin.rest.own import OwnValues, own_values
from mailman_arc.plugin.rest.values import OF_LISTS, all_to_json, row
from mailman_arc.policy.configuration import Configuration, ListConfiguration


def find_mlist(spec: str) -> Any:
    """Mailman's list of this id or address; a refusal when there is none."""
    found = getUtility(IListManager).get(spec)
    if found is None:
        raise not_found(f"No such list: {spec}")
    return found


@dataclass(frozen=True, slots=True)
class ListName:
    """A mailing list, as far as our settings have to know it."""

    list_id: str
    name: str
    mail_host: str

    @classmethod
    def find(cls, spec: str) -> Self:
        """The list of this id or address; a refusal when there is none."""
        found = find_mlist(spec)
        return cls(found.list_id, found.list_name, found.mail_host)

    @classmethod
    def of_page(cls, page: Page) -> tuple[int, list[Self]]:
        """How many lists there are, and those of a page, ordered by their ids.

        Only their names are read: a list has about a hundred columns.
        """
        wanted = (MailingList._list_id, MailingList.list_name, MailingList.mail_host)
        found = config.db.store.query(*wanted).order_by(MailingList._list_id)
        return found.count(), [cls(*each) for each in found[page.slice]]

    def configured(
        self, configuration: Configuration, own: OwnValues
    ) -> ListConfiguration:
        """What holds for it."""
        values = own.by_list.get(self.list_id, {})
        return configuration.for_list(self.mail_host, values)

    def line(self, found: ListConfiguration, own: OwnValues) -> Body:
        """What holds for it, in short."""
        return {
            "list_id": self.list_id,
            "fqdn_listname": f"{self.name}@{self.mail_host}",
            "mode": found.settings.mode.value,
            "shadow": found.settings.shadow,
            "identity": found.identity.name if found.identity else "",
            **problem_of(found, own),
            "self_link": link("lists", self.list_id),
        }


def problem_of(found: ListConfiguration, own: OwnValues) -> Body:
    """What is wrong with the list's own values; nothing when nothing is."""
    problems = [*filter(None, [own.problem]), *map(str, found.problems)]
    return {"problem": "; ".join(problems)} if problems else {}


class AllLists:
    """`/lists`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """One line for each list."""
        page = wanted_page(request)
        services = usable_services()
        total, lists = ListName.of_page(page)
        own = own_values(services.list_settings) if lists else OwnValues({})
        entries = [
            each.line(each.configured(services.configuration, own), own)
            for each in lists
        ]
        return page.body(total, entries)


class AList:
    """`/lists/<list-id or address>`."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """Each setting with its value, its origin and what else there is to know."""
        refuse_parameters(request)
        services = usable_services()
        mlist = ListName.find(self._spec)
        configuration = services.configuration
        own = own_values(services.list_settings, mlist.list_id)
        found = mlist.configured(configuration, own)
        inherited = all_to_json(configuration.for_list(mlist.mail_host).settings)
        effective = all_to_json(found.settings)
        allowed = configuration.allowed_identities(mlist.mail_host)
        return {
            **mlist.line(found, own),
            "settings": [
                {
                    **row(each),
                    "value": effective[each.name],
                    "origin": str(found.origins[each.name]),
                    "inherited": inherited[each.name],
                }
                for each in OF_LISTS
            ],
            "allowed_identities": [each.name for each in allowed],
            **{
                f"{each}_link": link("lists", mlist.list_id, each)
                for each in ("config", "history", "stats", "status")
            },
        }
