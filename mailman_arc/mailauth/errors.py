"""The one exception of this layer."""

from __future__ import annotations


class MalformedField(ValueError):
    """A text that does not follow its grammar; parsers raise it, nobody else.

    `reason` says why; parsers of signatures and keys give a `Reason`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
