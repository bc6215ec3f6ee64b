"""Make an `arc.cfg` of what another program was configured with.

Each option becomes a setting, or a note says why not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.policy import values as kinds
from mailman_arc.policy.configuration import SITE
from mailman_arc.policy.foreign import Given, Source, read_options
from mailman_arc.policy.foreignoptions import DANGEROUS, IGNORED, MAPPED
from mailman_arc.policy.peers import LOOPBACK_HOSTS, is_peer, parse_peer
from mailman_arc.policy.settings import NEVER_SIGNED, SettingError, find_setting


FALLBACK_NAME = "localhost"  # of a site that nobody names

_RSPAMD_SELECTOR = "arc"  # its default
_OF_KEYS = ("selector", "key_file")
_MAX_OTHER_KEYS = 5
_KEY_PATH = re.compile(r"(?<![\w./$-])/[\w./-]+\.(?:pem|private|key)\b")
_SIGNED_NAME = re.compile(r"\([ox]\)")  # rspamd's marks of what is oversigned


class Fate(StrEnum):
    """What became of an option."""

    MAPPED = "mapped"
    IGNORED = "ignored"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class Note:
    """What became of an option, and why; `line` is 0 if it is about none."""

    fate: Fate
    option: str
    text: str
    line: int = 0

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line else ""
        return f"{self.fate}: {self.option}{where}: {self.text}"


@dataclass(slots=True)
class Imported:
    """Settings by section, and what became of each option.

    `files` are those that options name, each with the option: the reader of the
    text cannot know whether they are there.
    """

    sections: dict[str, dict[str, str]] = field(default_factory=lambda: {SITE: {}})
    notes: list[Note] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The settings of the site."""
        return self.sections[SITE]


def import_text(
    text: str,
    source: Source,
    host_name: str = "",
    read_file: Callable[[str], str] = lambda _: "",
) -> Imported:
    """Make settings of the configuration of another program.

    `host_name` is that of this machine, by which programs call themselves that
    were not told otherwise.  `read_file` gives the text of a file that an option
    names, which is empty if there is none.  Any text gives settings that can be
    read.
    """
    importer = _Importer(source, host_name, read_file)
    for given in read_options(text, source):
        importer.take(given)
    importer.add_identities()
    importer.check_keys(text)
    importer.name_site()
    return importer.imported


def show_settings(imported: Imported) -> str:
    """The text of `arc.cfg`, with the notes in front of it."""
    lines = [f"# {_one_line(str(note))}" for note in imported.notes]
    for section, values in imported.sections.items():
        lines += ["", f"[{section}]"]
        lines += [f"{name}: {text}" for name, text in values.items()]
    return "\n".join(lines).lstrip("\n") + "\n"


class _Importer:
    """What is made of one text."""

    def __init__(
        self, source: Source, host_name: str, read_file: Callable[[str], str]
    ) -> None:
        self.imported = Imported()
        self._read_file = read_file
        self._source = source
        self._host_name = host_name
        # Keys of one domain each, which are no section yet.
        self._domains: dict[str, dict[str, str]] = {}

    def take(self, given: Given) -> None:
        """Make a setting of an option, or a note."""
        name = given.name.lower()
        mapped, dangers = MAPPED[self._source], DANGEROUS[self._source]
        if name in mapped and not (given.domain and mapped[name] not in _OF_KEYS):
            self._map(given, mapped[name])
        elif name in dangers:
            self._warn(given, dangers[name])
        else:
            why = IGNORED[self._source].get(name, "there is nothing like it here")
            self._note(Fate.IGNORED, given, why)

    def add_identities(self) -> None:
        """Make identities of the domains, or the site's own if it is one."""
        site = self.imported.values
        defaults = {}
        if self._domains:
            defaults = {name: site.pop(name) for name in _OF_KEYS if name in site}
        for name, own in self._domains.items():
            try:
                domain = parse_domain(name)
            except MalformedField:
                self._warn(name, "left out: this is no domain name")
                continue
            identity = {
                "domain": domain,
                "selector": _RSPAMD_SELECTOR,
                **defaults,
                **own,
            }
            if "key_file" not in identity:
                self._warn(name, "left out: it has no path of a key")
            elif len(self._domains) == 1:
                site |= identity
            else:
                self.imported.sections[f"identity.{domain}"] = identity

    def check_keys(self, text: str) -> None:
        """Fill in the names of key files, and look for others in the text."""
        for section, values in list(self.imported.sections.items()):
            path = values.get("key_file", "")
            for name in ("domain", "selector"):
                path = path.replace(f"${name}", values.get(name, f"${name}"))
            if "$" in path:
                self._warn(path, "left out: it stands for several; name the domain")
                values.pop("selector", None)
                del values["key_file"]
            elif path:
                values["key_file"] = path
                self.imported.files[path] = f"key_file of [{section}]"
        known = self.imported.files
        others = [path for path in _KEY_PATH.findall(text) if path not in known]
        for path in list(dict.fromkeys(others))[:_MAX_OTHER_KEYS]:
            self._warn(
                path,
                "the text names this key too, but does not use it; which of them "
                "belongs to what is published?",
            )

    def name_site(self) -> None:
        """See to it that the site has a name, without which nothing can be read."""
        site = self.imported.values
        if "authserv_id" in site or "domain" in site:
            return
        try:
            name = kinds.AUTHSERV_ID.parse(self._host_name) or FALLBACK_NAME
        except ValueError:
            name = FALLBACK_NAME
        site["authserv_id"] = name
        self._warn("authserv_id", "nothing names the site: the name of this machine")

    def _map(self, given: Given, name: str) -> None:
        values = self.imported.values
        if given.domain:
            values = self._domains.setdefault(given.domain.lower(), {})
        if given.name.startswith("dkim_") and name in values:
            self._note(Fate.IGNORED, given, f"that of ARC counts: {values[name]}")
            return
        text = self._translated(given, name)
        if not text:
            return
        try:
            setting = find_setting(name)
            shown = setting.kind.show(setting.parse(text))
        except SettingError as error:
            self._warn(given, f"left out: {error.problem}")
            return
        if not shown.isprintable():
            self._warn(given, "left out: it has control characters")
            return
        values[name] = shown
        self._note(Fate.MAPPED, given, f"{name}: {shown}{_advice(name, shown)}")

    def _translated(self, given: Given, name: str) -> str:
        """The text of an option in our words; empty where there is nothing to say."""
        text = given.value
        if name == "mode" and self._source is Source.OPENARC:
            return self._mode(given)
        if name == "mode":
            return self._mode_of_switch(given)
        if name == "sign_headers":
            return self._sign_headers(given)
        if name == "require_safe_keys":  # OpenARC looks at the first letter only
            return "yes" if text[:1].lower() in ("y", "t", "1") else "no"
        if name == "peer_list":
            return self._peers(given)
        if name == "trusted_sealers" and "/" in text:
            self._warn(given, f"that file is not read: name its domains in `{name}`")
            return ""
        if name == "authserv_id" and text == "HOSTNAME":
            return self._host_name
        return text

    def _mode(self, given: Given) -> str:
        letters = set(given.value.lower())
        if letters == {"v"}:
            self._warn(given, "posts will not be sealed, for there is no s")
        return "".join(sorted(letters)) if letters <= {"s", "v"} else given.value

    def _mode_of_switch(self, given: Given) -> str:
        try:
            is_on = kinds.parse_boolean(given.value)
        except ValueError as error:
            self._warn(given, f"left out: {error}")
            return ""
        if not is_on:
            self._warn(given, "it was off there; write `mode: none` to leave it so")
            return ""
        if self._source is Source.MAILMAN:
            self._warn(
                given,
                "set it to no in mailman.cfg once posts are sealed here, or they "
                "would be sealed twice",
            )
        return "sv"

    def _peers(self, given: Given) -> str:
        """The entries of the file, as far as they can be used."""
        self.imported.files[given.value] = given.name
        lines = self._read_file(given.value).split("\n")
        peers = []
        for word in (word for line in lines for word in line.partition("#")[0].split()):
            try:
                peers.append(parse_peer(word))
            except ValueError as error:
                self._warn(given, f"left out: {error}")
        if any(is_peer(peers, address, "localhost") for address in LOOPBACK_HOSTS):
            self._warn(
                given,
                "this machine is among them: unless the mail server on it tells by "
                "XFORWARD from where posts come, none is judged or sealed",
            )
        if not peers:
            self._note(Fate.IGNORED, given, "no entry that could be used")
        return ", ".join(map(str, peers))

    def _sign_headers(self, given: Given) -> str:
        words = [_SIGNED_NAME.sub("", each) for each in _names(given.value)]
        forbidden = NEVER_SIGNED.intersection(words)
        for name in sorted(forbidden):
            self._warn(
                given,
                f"{name} is left out, it must not be signed "
                "(RFC 8617 §4.1.2, RFC 6376 §5.4)",
            )
        names = [each for each in words if each and each not in forbidden]
        if "from" not in names:
            names.insert(0, "from")
            self._warn(given, "from is added, it must be signed (RFC 6376 §5.4)")
        marked = [
            _SIGNED_NAME.sub("", each)
            for each in _names(given.value)
            if _SIGNED_NAME.match(each)
        ]
        if marked:
            self._map(replace(given, value=",".join(marked)), "oversign_headers")
        return ",".join(names)

    def _note(self, fate: Fate, given: Given, text: str) -> None:
        self.imported.notes.append(Note(fate, given.name, text, given.line))

    def _warn(self, given: Given | str, text: str) -> None:
        if isinstance(given, str):
            given = Given(given, "", 0)
        self._note(Fate.DANGEROUS, given, text)


def _names(text: str) -> list[str]:
    return re.split(r"[\s,:]+", text.lower())


def _advice(name: str, shown: str) -> str:
    if name == "canonicalization" and shown != "relaxed/relaxed":
        return " (relaxed/relaxed, the default, survives more on the way)"
    if name == "sign_headers":
        return " (the default covers what is recommended; rather leave it out)"
    return ""


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
