"""The DNS as a dictionary; names can be missing, and looking one up can fail."""

from __future__ import annotations

from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)


SERVFAIL = LookupFailed("SERVFAIL")
NXDOMAIN = NoSuchName()
NO_DATA = TxtRecords(())


class Zone(dict[str, TxtAnswer]):
    """Answers by name; a name that is not in it does not exist.

    `asked` remembers which names somebody wanted to know.
    """

    def __init__(self, records: Answers | None = None) -> None:
        super().__init__(records or {})
        self.asked: list[str] = []

    def get(self, name: str, default: object = None) -> TxtAnswer:  # type: ignore[override]
        self.asked.append(name)
        return super().get(name, NXDOMAIN)

    def with_records(self, records: Answers) -> Zone:
        """Another zone, in which these names have these answers."""
        return Zone({**self, **records})

    def txt(self, name: bytes, timeout: int = 5) -> bytes | None:
        """The first record, or None: what dkimpy calls a `dnsfunc`."""
        match self.get(name.decode().rstrip(".")):
            case TxtRecords((first, *_)):
                return first
            case _:
                return None


def txt(*texts: bytes) -> TxtRecords:
    """The answer made of these records."""
    return TxtRecords(texts)
