"""What a list's owner does, by REST."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house.rest import RestClient


@dataclass(frozen=True, slots=True)
class MailingList:
    """One mailing list of a running Mailman."""

    rest: RestClient
    address: str
    templates: Path

    @property
    def list_id(self) -> str:
        return self.address.replace("@", ".")

    @property
    def path(self) -> str:
        """Where the list is in the REST API."""
        return f"lists/{self.address}"

    def configure(self, **settings: object) -> None:
        """Change settings of the list, by their names in REST."""
        fields = {name: str(value) for name, value in settings.items()}
        self.rest.patch(f"{self.path}/config", fields)

    def setting(self, name: str) -> Any:
        return self.rest.get(f"{self.path}/config")[name]

    def subscribe(self, addresses: Iterable[str], role: str = "member") -> None:
        """Make them members (or owners, moderators, nonmembers) at once."""
        for address in addresses:
            fields = {"list_id": self.list_id, "subscriber": address, "role": role}
            agreed = dict.fromkeys(
                ("pre_verified", "pre_confirmed", "pre_approved"), "True"
            )
            self.rest.post("members", {**fields, **agreed})

    def decorate(self, text: str, template: str = "list:member:regular:footer") -> None:
        """Let Mailman add this text to each post (or use another template)."""
        file = self.templates / f"{self.list_id}-{template.replace(':', '-')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        self.rest.patch(f"{self.path}/uris", {template: file.as_uri()})

    def held(self) -> list[dict[str, Any]]:
        """The posts that wait for a moderator."""
        return list(self.rest.get(f"{self.path}/held").get("entries", []))

    def moderate(self, request_id: int, action: str) -> None:
        """What a moderator decides: accept, discard, reject or defer."""
        self.rest.post(f"{self.path}/held/{request_id}", {"action": action})
