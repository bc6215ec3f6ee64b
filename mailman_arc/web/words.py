"""The words for what the plugin tells: verdicts, results, reasons, settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _, gettext_noop


Text: TypeAlias = str | Promise

NOTHING = "\N{EN DASH}"  # where nothing is known

_BETWEEN_REASONS = re.compile("(; |, )")


@dataclass(frozen=True)
class Word:
    """How something is shown: never by its colour alone."""

    label: Text
    icon: str  # a character that fonts have
    tone: str  # of the style sheet: good, fair, bad, open or plain
    help: Text = ""


VERDICTS: Mapping[str, Word] = {
    "confirmed": Word(
        _("Confirmed"),
        "✔",
        "good",
        _("The post comes from the domain it says it comes from."),
    ),
    "vouched": Word(
        _("Vouched for"),
        "↪",
        "fair",
        _("A server on the way checked the post before it was changed."),
    ),
    "unconfirmed": Word(
        _("Not confirmed"),
        "✖",
        "bad",
        _("Nothing confirms that the post comes from the domain it says."),
    ),
    "unchecked": Word(
        _("Could not check"),
        "?",
        "open",
        _("There was nothing to check by, or the DNS did not answer."),
    ),
}
UNKNOWN = Word(_("Not known"), NOTHING, "plain")

DISPOSITIONS: Mapping[str, Text] = {
    "arrived": _("Arrived"),
    "held": _("Held for moderation"),
    "rejected": _("Rejected"),
    "discarded": _("Discarded"),
    "posted": _("Posted to the list"),
}
WAITING = _("Waiting for a moderator")

# What a check of a signature or a seal came to.
OUTCOMES: Mapping[str, Word] = {
    "good": Word(_("good"), "✔", "good"),
    "bad": Word(_("failed"), "✖", "bad"),
    "changed": Word(_("changed since"), "↪", "plain"),
    "unknown": Word(_("no answer from the DNS"), "?", "open"),
    "not checked": Word(_("not checked"), NOTHING, "plain"),
    "none": Word(_("none"), NOTHING, "plain"),
}

# Those of the doctor.
SEVERITIES: Mapping[str, Word] = {
    "good": Word(_("in order"), "✔", "good"),
    "warning": Word(_("warning"), "!", "open"),
    "error": Word(_("wrong"), "✖", "bad"),
}

_GOOD, _BAD, _OPEN = ("✔", "good"), ("✖", "bad"), ("?", "open")

# The words of RFC 8601 stay as they are: people look for them elsewhere.
_RESULTS: Mapping[str, tuple[str, str]] = {
    "pass": _GOOD,
    "fail": _BAD,
    "softfail": _BAD,
    "policy": _BAD,
    "permerror": _BAD,
    "temperror": _OPEN,
    "unjudged": _OPEN,
}

STATES: Mapping[str, Word] = {
    "sealing": Word(_("Posts are sealed"), "✔", "good"),
    "shadow": Word(_("Shadow mode"), "◌", "fair"),
    "off": Word(_("Sealing is off"), NOTHING, "plain"),
    "problem": Word(_("Posts are not sealed"), "✖", "bad"),
}

# Sentences of the plugin that are translated here, word by word as it has them.
REASONS = (
    gettext_noop("not a post (digest or notice)"),
    gettext_noop("nothing was recorded on arrival"),
    gettext_noop("no recipients"),
    gettext_noop("delivery failed before the first copy"),
    gettext_noop("settings are unusable"),
    gettext_noop("no usable key"),
    gettext_noop("the DNS does not show the key"),
    gettext_noop("switched off for this list"),
    gettext_noop("shadow mode"),
    gettext_noop("anonymous list"),
    gettext_noop("chain could not be judged: DNS did not answer"),
    gettext_noop("chain already failed before us"),
    gettext_noop("chain has 50 sets"),
    gettext_noop("chain has no readable instance"),
    gettext_noop("changed between arrival and pipeline"),
    gettext_noop("header is too large to be sealed"),
    gettext_noop("ARC fields changed since arrival"),
    gettext_noop("recipient address is not ASCII"),
    gettext_noop("client is in peer_list"),
    gettext_noop("proof failed"),
    gettext_noop("internal error"),
)
SENTENCES = (
    gettext_noop("It is good."),
    gettext_noop("Not looked at: what came before has decided."),
    gettext_noop(
        "The message has changed since, as lists change posts; only the newest "
        "signature has to hold."
    ),
    gettext_noop("not believed: nobody we trust"),
    gettext_noop("not believed: it cannot be read"),
    gettext_noop("believed: in trusted_authserv_ids"),
    gettext_noop("of this site; one that arrives from outside is forged"),
)
HELPS = (
    gettext_noop(
        "What is done with posts. sv: sealed, and marked with what was found on "
        "arrival; s: sealed only; v: marked only; none: neither."
    ),
    gettext_noop(
        "Do everything, but add nothing to posts: the log says what would have been "
        "done."
    ),
    gettext_noop(
        "Who seals: the name of a section [identity.…] in arc.cfg. Default: the one "
        "of the list's mail domain, or of its nearest parent."
    ),
    gettext_noop("The header fields that a seal covers."),
    gettext_noop("Those of them that nobody may add once more (RFC 6376 §8.15)."),
    gettext_noop(
        "How header and body are normalised before they are signed. Anything but "
        "relaxed/relaxed breaks on the way more easily."
    ),
    gettext_noop(
        "How long the signature over a post is valid, such as 30d; 0: for ever. Mail "
        "that is forwarded later than that has a broken chain."
    ),
    gettext_noop(
        "Re-encode text that mail servers may change on the way (8-bit, long lines, "
        "lines that begin with From) before it is sealed. yes: unless a signature of "
        "the author would break by it; always; no."
    ),
    gettext_noop(
        "Posts of anonymous lists. fresh: sealed as a new chain that does not name "
        "the author; none: not sealed."
    ),
    gettext_noop(
        "Domains (d=) whose seals are trusted. Where DMARC fails, but one of them has "
        "recorded that it passed, and nobody else has sealed since, our "
        "Authentication-Results say who vouches for the post."
    ),
    gettext_noop(
        "What is done with posts that fail DMARC. accept, hold, reject or discard; "
        "defer: nothing special. A policy p=reject alone is no ground to reject them "
        "(RFC 9989 §7.4)."
    ),
    gettext_noop(
        "What is done with posts whose ARC chain was broken when they arrived."
    ),
    gettext_noop(
        "What is done with posts that have no good DKIM signature of the author's "
        "domain, or none at all."
    ),
    gettext_noop(
        "What is done with posts that could be checked, but not be confirmed: neither "
        "DMARC nor a signature of the author's domain passes, and no trusted sealer "
        "vouches for them."
    ),
    gettext_noop(
        "What is done with posts whose From has no domain that DKIM or SPF has "
        "confirmed. SPF counts where it is known."
    ),
    gettext_noop(
        "What is done with such posts where the author is no member of the list. "
        "same: as with those of members."
    ),
    gettext_noop(
        "Let DMARC count, for these actions, also where the author's domain publishes "
        "p=none. no: such a policy changes nothing (RFC 9989 §5.4)."
    ),
    gettext_noop(
        "How many days to remember what became of each post; 0: not at all, and "
        "forget what is known."
    ),
    gettext_noop(
        "What of a post itself is remembered: any of author (the address), subject "
        "and message_id. Empty: only its results, and the author's domain."
    ),
)

SETTINGS: Mapping[str, Text] = {
    "mode": _("What is done with posts"),
    "shadow": _("Shadow mode"),
    "identity": _("Who seals"),
    "sign_headers": _("Header fields that are sealed"),
    "oversign_headers": _("Header fields that nobody may add"),
    "canonicalization": _("Normalisation"),
    "signature_ttl": _("How long seals are valid"),
    "transport_safe": _("Text that may change on the way"),
    "anonymous_seal": _("Posts of anonymous lists"),
    "trusted_sealers": _("Whose seals are trusted"),
    "dmarc_failure_action": _("Posts that fail DMARC"),
    "dmarc_failure_nonmember_action": _("Posts of non-members that fail DMARC"),
    "arc_failure_action": _("Posts with a broken chain"),
    "arc_failure_nonmember_action": _("Posts of non-members with a broken chain"),
    "dkim_failure_action": _("Posts without a signature of the author's domain"),
    "dkim_failure_nonmember_action": _(
        "Posts of non-members without a signature of the author's domain"
    ),
    "unconfirmed_action": _("Posts that cannot be confirmed"),
    "unconfirmed_nonmember_action": _("Posts of non-members that cannot be confirmed"),
    "from_mismatch_action": _("Posts whose author's domain nobody has confirmed"),
    "from_mismatch_nonmember_action": _(
        "Posts of non-members whose author's domain nobody has confirmed"
    ),
    "dmarc_none_counts": _("The policy p=none counts"),
    "history_days": _("How many days to keep the history"),
    "history_fields": _("What is kept of a post"),
}

_CHOICES: Mapping[tuple[str, str], Text] = {
    ("mode", "sv"): _("Seal posts, and mark them with what was found on arrival"),
    ("mode", "s"): _("Seal posts only"),
    ("mode", "v"): _("Mark posts only"),
    ("mode", "none"): _("Neither seal nor mark posts"),
    ("identity", ""): _("the one of the list's mail domain"),
    ("transport_safe", "yes"): _("Encode it, unless the author's signature breaks"),
    ("transport_safe", "always"): _("Always encode it"),
    ("transport_safe", "no"): _("Leave it as it is"),
    ("anonymous_seal", "fresh"): _("Seal them without the author's name"),
    ("anonymous_seal", "none"): _("Do not seal them"),
}

# Where a setting stands in the form; those of no group are for people who know why.
GROUPS: Mapping[str, Text] = {
    "sealing": _("Sealing"),
    "moderation": _("Doubtful posts"),
    "history": _("History"),
    "": _("Details"),
}
_GROUP_OF = {
    **dict.fromkeys(("mode", "shadow", "identity"), "sealing"),
    **dict.fromkeys(("trusted_sealers", "dmarc_none_counts"), "moderation"),
    **dict.fromkeys(("history_days", "history_fields"), "history"),
}

# Of the settings whose names end like this.
_ACTION = "_action"
_ACTIONS: Mapping[str, Text] = {
    "defer": _("Nothing special"),
    "accept": _("Accept them"),
    "hold": _("Hold them for a moderator"),
    "reject": _("Reject them"),
    "discard": _("Discard them"),
    "same": _("The same as with those of members"),
}
_YES_NO: Mapping[str, Text] = {"yes": _("Yes"), "no": _("No")}

KEY_STATES: Mapping[str, Text] = {
    "next": _("Made, not yet in use"),
    "active": _("In use"),
    "retired": _("Retired"),
}


def verdict_word(verdict: str) -> Word:
    """How a verdict is shown."""
    return VERDICTS.get(verdict, UNKNOWN)


def result_word(result: str) -> Word:
    """How a result of RFC 8601 is shown, such as `pass`."""
    icon, tone = _RESULTS.get(result, (NOTHING, "plain"))
    return Word(result or NOTHING, icon if result else "", tone)


def outcome_word(outcome: str) -> Word:
    """How the outcome of a check is shown."""
    return OUTCOMES.get(outcome, UNKNOWN)


def disposition_label(entry: Mapping[str, Any]) -> Text:
    """What became of a post."""
    if entry.get("is_waiting"):
        return WAITING
    return DISPOSITIONS.get(entry.get("disposition") or "", "")


def translated(text: str) -> str:
    """A sentence of the plugin, where there is a translation of it."""
    return gettext(text) if text else ""


def reasons(text: str) -> str:
    """The reasons why a post left unsealed."""
    return "".join(map(translated, _BETWEEN_REASONS.split(text)))


def setting_label(name: str) -> Text:
    """What a setting is called."""
    return SETTINGS.get(name, name.replace("_", " ").capitalize())


def setting_group(name: str) -> str:
    """The group of `GROUPS` that a setting stands in."""
    return "moderation" if name.endswith(_ACTION) else _GROUP_OF.get(name, "")


def choice_label(name: str, word: str) -> Text:
    """What a choice of a setting is called."""
    if name.endswith(_ACTION) and word in _ACTIONS:
        return _ACTIONS[word]
    return _CHOICES.get((name, word), _YES_NO.get(word, word or _("empty")))
