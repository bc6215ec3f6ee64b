"""The configuration files of others who seal: OpenARC, Mailman itself, Sympa, rspamd.

The readers are tolerant: what they cannot make sense of they pass over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Whose configuration it is."""

    OPENARC = "openarc"  # openarc.conf
    MAILMAN = "mailman"  # the section [ARC] of mailman.cfg
    SYMPA = "sympa"  # sympa.conf, robot.conf, or the config of a list
    RSPAMD = "rspamd"  # local.d/arc.conf


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it is written.

    `domain` is the one it is about, where a file has options for several.
    """

    name: str
    value: str
    line: int
    domain: str = ""


_OF_MAILMAN = re.compile(r"^\[ARC\]", re.MULTILINE)
_OF_SYMPA = re.compile(r"^[ \t]*arc_[a-z_]+([ \t]|$)", re.MULTILINE)
_OF_RSPAMD = re.compile(r"^[ \t]*[\"\w.]+[ \t]*[={]", re.MULTILINE)

# Universal Configuration Language, as much of it as is used there.
_UCL_SPACE = re.compile(r"(?:[\s;,]++|\#[^\n]*+|/\*.*?\*/)*+", re.DOTALL)
_UCL_WORD = re.compile(r'"((?:[^"\\]|\\.)*+)"|([^\s"{}\[\];,=:#]++)', re.DOTALL)
_UCL_SIGN = re.compile(r"[ \t]*+[=:]?[ \t]*+")
_UCL_ARRAY = re.compile(r"\[([^\]]*+)\]?")
_UCL_BARE = re.compile(r"[^;\n{}]*+")


def detect_source(text: str) -> Source:
    """Tell whose configuration a text is, by what only one of them has."""
    if _OF_MAILMAN.search(text):
        return Source.MAILMAN
    if _OF_SYMPA.search(text):
        return Source.SYMPA
    return Source.RSPAMD if _OF_RSPAMD.search(text) else Source.OPENARC


def read_options(text: str, source: Source) -> Iterator[Given]:
    """The options in a text, in their order."""
    match source:
        case Source.OPENARC:
            return _read_openarc(text)
        case Source.MAILMAN:
            return _read_mailman(text)
        case Source.SYMPA:
            return _read_sympa(text)
        case Source.RSPAMD:
            return _read_rspamd(text)


def _read_openarc(text: str) -> Iterator[Given]:
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split(None, 1)
        if words:
            yield Given(words[0], "".join(words[1:]).strip(), number)


def _read_mailman(text: str) -> Iterator[Given]:
    is_inside = False
    pending: Given | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line[:1].isspace() and pending is not None:  # goes on
            value = f"{pending.value} {line.strip()}".strip()
            pending = Given(pending.name, value, pending.line)
            continue
        if pending is not None:
            yield pending
            pending = None
        if line.startswith("["):
            is_inside = line.startswith("[ARC]")
        found = re.match(r"([^#;:=\[][^:=]*)[:=](.*)", line) if is_inside else None
        if found is not None:
            pending = Given(found[1].strip(), found[2].strip(), number)
    if pending is not None:
        yield pending


def _read_sympa(text: str) -> Iterator[Given]:
    """Only what is about ARC or DKIM; names in paragraphs get a prefix."""
    prefix = ""
    for number, line in enumerate(text.split("\n"), 1):
        name, _, value = line.strip().replace("\t", " ").partition(" ")
        if not name:
            prefix = ""
        elif name in ("arc_parameters", "dkim_parameters"):
            prefix = name.partition("_")[0] + "_"
        elif name.startswith(("arc_", "dkim_")):
            yield Given(name, value.strip(), number)
        elif prefix and not name.startswith("#"):
            yield Given(prefix + name, value.strip(), number)


def _read_rspamd(text: str) -> Iterator[Given]:
    inside: list[str] = []  # the names of the blocks we are in
    position = 0
    while (position := _end(_UCL_SPACE, text, position)) < len(text):
        word = _UCL_WORD.match(text, position)
        if word is None:  # a brace, or a sign nobody expects here
            if text[position] == "}" and inside:
                inside.pop()
            position += 1
            continue
        line = text.count("\n", 0, position) + 1
        name = word[1] if word[1] is not None else word[2]
        position = _end(_UCL_SIGN, text, word.end())
        if text.startswith("{", position):
            inside.append(name)
            position += 1
            continue
        value, position = _ucl_value(text, position)
        domain, prefix = _place(inside)
        yield Given(prefix + name, value, line, domain)


def _ucl_value(text: str, position: int) -> tuple[str, int]:
    """A value, those of an array with commas between, and where it ends."""
    array = _UCL_ARRAY.match(text, position)
    if array is not None:
        words = [each[1] or each[2] for each in _UCL_WORD.finditer(array[1])]
        return ", ".join(filter(None, words)), array.end()
    if text.startswith('"', position):
        quoted = _UCL_WORD.match(text, position)
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), quoted.end()
    end = _end(_UCL_BARE, text, position)
    return text[position:end].partition("#")[0].strip(), end


def _place(inside: list[str]) -> tuple[str, str]:
    """The domain whose options these are, and the prefix of their names."""
    blocks = inside[1:] if inside[:1] == ["arc"] else inside
    if len(blocks) == 2 and blocks[0] == "domain":
        return blocks[1], ""
    return "", "".join(f"{block}." for block in blocks)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()
