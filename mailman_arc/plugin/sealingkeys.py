"""Which key an identity seals with, as its files and the DNS are now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailman_arc.adapters.keyfiles import KeyFileError
from mailman_arc.adapters.keyring import KeyRing
from mailman_arc.adapters.keystore import KeyStore
from mailman_arc.adapters.keywatch import KeyWatch
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.plugin.seams import undisturbed
from mailman_arc.policy.configuration import Identity
from mailman_arc.policy.keychoice import (
    Choice,
    choose,
    preferred_selectors,
    reminder,
)
from mailman_arc.policy.outbound import Unsealed


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who seals, with the key, or why nobody can; and what the operator is told."""

    identity: SealingIdentity | Unsealed
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    selector: str
    key: SigningKey
    active_since: int | None  # seconds since 1970; None: that is not known


class SealingKeys:
    """The keys of all identities.  Without a `watch` the DNS is not asked."""

    def __init__(self, ring: KeyRing, store: KeyStore, watch: KeyWatch | None) -> None:
        self.ring = ring
        self._store = store
        self._watch = watch

    def choose(self, identity: Identity, now: int) -> Chosen:
        """Find the key to seal with; `now` is in seconds since 1970.

        The DNS is waited for at the first look at a key only.
        """
        if identity.is_managed:
            candidates, errors = self._managed(identity.domain)
        else:
            candidates, errors = self._fixed(identity)
        if not candidates:
            return Chosen(Unsealed.NO_KEY, tuple(errors))
        warnings = []
        choice = self._choice(identity.domain, candidates)
        if choice.selector is None:
            errors.append(f"posts are not sealed: {choice.why}")
            return Chosen(Unsealed.KEY_NOT_SHOWN, tuple(errors))
        if choice.why:
            warnings.append(f"{choice.why}; sealing goes on with {choice.selector}")
        [chosen] = [each for each in candidates if each.selector == choice.selector]
        since = self._in_use_since(identity.domain, chosen)
        due = reminder(identity.domain, chosen.selector, since, now)
        if due is not None:
            warnings.append(due)
        sealing = SealingIdentity(identity.domain, chosen.selector, chosen.key)
        return Chosen(sealing, tuple(errors), tuple(warnings))

    def _fixed(self, identity: Identity) -> tuple[list[_Candidate], list[str]]:
        key = self._read(identity.selector, identity.key_file)
        if isinstance(key, str):
            return [], [f"posts are not sealed: {key}"]
        return [_Candidate(identity.selector, key, None)], []

    def _managed(self, domain: str) -> tuple[list[_Candidate], list[str]]:
        listing = self._store.listing(domain)
        candidates = []
        errors = [str(problem) for problem in listing.problems]
        stored = {key.selector: key for key in listing.keys}
        for selector in preferred_selectors(listing.keys):
            key = self._read(selector, stored[selector].path)
            if isinstance(key, str):
                errors.append(key)
            else:
                since = stored[selector].activated_at
                candidates.append(_Candidate(selector, key, since))
        if not candidates:
            errors.append(
                f"posts are not sealed: {domain} has no active key that can be used; "
                "`mailman arc keys` makes keys and activates them"
            )
        return candidates, errors

    def _read(self, selector: str, path: str | Path) -> SigningKey | str:
        try:
            return self.ring.get(str(path))
        except KeyFileError as error:
            return f"selector {selector!r}: {error}"

    def _choice(self, domain: str, candidates: list[_Candidate]) -> Choice:
        if self._watch is None:
            return Choice(candidates[0].selector)
        names = {each.selector: key_name(each.selector, domain) for each in candidates}
        keys = {names[each.selector]: each.key.verifying_key for each in candidates}
        look = partial(self._watch.look, keys)
        found = look() if self._watch.knows(keys) else undisturbed(look)
        shown = {selector: found[name] for selector, name in names.items()}
        return choose(domain, list(names), shown)

    def _in_use_since(self, domain: str, candidate: _Candidate) -> int | None:
        if candidate.active_since is not None or self._watch is None:
            return candidate.active_since
        name = key_name(candidate.selector, domain)
        return self._watch.since(name, candidate.key.verifying_key)
