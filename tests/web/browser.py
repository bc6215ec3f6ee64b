"""What tests do with a page."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from tests.web import told


# Of the two places of Postorius it links the second.
LIST = f"/mailman3/lists/{told.LIST_ID}/"
OVERVIEW = f"{LIST}arc/"
HISTORY = f"{LIST}arc/history/"
SETTINGS = f"{LIST}arc/settings/"
KEYS = "/mailman3/arc/keys/"

_TAG = re.compile(r"<[^>]*>")


def post_address(entry: told.JSON) -> str:
    """The page of a post."""
    return f"{HISTORY}{entry['entry_id']}/"


def html(response: Any) -> str:
    """The page as it was sent."""
    return b"".join(response).decode()


def main(response: Any) -> str:
    """What is ours in a page: all behind the tabs of ours."""
    return html(response).partition('<div class="arc-page"')[2].partition("<footer")[0]


def words(text: str) -> str:
    """What is read on a page, without the tags."""
    return " ".join(unescape(_TAG.sub(" ", text)).split())
