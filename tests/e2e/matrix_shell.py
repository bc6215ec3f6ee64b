"""What there is no REST call for; run inside of Mailman by `mailman withlist`."""

from __future__ import annotations

import email
import json
from pathlib import Path

from mailman.app.bounces import send_probe
from mailman.app.inject import inject_message
from mailman.email.message import Message
from mailman.interfaces.listmanager import IListManager
from zope.component import getUtility


def run(file: str) -> None:
    """Do what the JSON in this file asks for.

    `topics` and `probe` have lists by their addresses, `inject` has pairs of an
    address and the file of a post.
    """
    asked = json.loads(Path(file).read_text())
    lists = getUtility(IListManager)
    for address in asked.get("topics", ()):
        mlist = lists.get(address)
        mlist.topics_enabled = True
        mlist.topics_bodylines_limit = 5
        mlist.topics = [
            ("Lunch", "lunch|noon", "Where and when", False),
            ("Other", "post", "All else", False),
        ]
    for address, path in asked.get("inject", ()):
        post = email.message_from_bytes(Path(path).read_bytes(), Message)
        inject_message(lists.get(address), post, to_list=True)
    for address in asked.get("probe", ()):
        [member] = lists.get(address).members.members
        send_probe(member, message_id="<bounced@author.example>")
