"""Codes that prove nothing by themselves: which are sent to the platform, what its answer means.

Pure. A code's text leaves this file only as HMACs under the site key.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gated.config.verifier import PlatformResult, TokenCharacters, TokenSettings
from gated.credentials.pseudonym import SiteKey, holder_ref, pass_ref
from gated.credentials.recognise import resembles_ours
from gated.credentials.value_sheet import parse_value_sheet
from gated.messages import Credential
from gated.units import MonoSeconds
from gated.vocabulary import Check, CodeColour, CredentialStatus, HolderCategory, Reason

FORMAT = "online"
"""As it stands in records."""
SCOPE = b"online"
MAX_KEPT_ANSWERS = 4_096

_BASE64 = string.ascii_letters + string.digits + "+/-_="
_ALPHABETS: Mapping[TokenCharacters, frozenset[str]] = {
    TokenCharacters.ANY: frozenset(string.ascii_letters + string.digits + string.punctuation),
    TokenCharacters.ALPHANUMERIC: frozenset(string.ascii_letters + string.digits),
    TokenCharacters.BASE64: frozenset(_BASE64),
    TokenCharacters.HEX: frozenset(string.hexdigits),
    TokenCharacters.DIGITS: frozenset(string.digits),
}

STATUS_OF_RESULT: Mapping[PlatformResult, CredentialStatus] = {
    PlatformResult.GREEN: CredentialStatus.VALID,
    PlatformResult.YELLOW: CredentialStatus.CODE_YELLOW,
    PlatformResult.RED: CredentialStatus.CODE_RED,
    PlatformResult.GREY: CredentialStatus.CODE_GREY,
    PlatformResult.EXPIRED: CredentialStatus.EXPIRED,
    PlatformResult.DOES_NOT_EXIST: CredentialStatus.DOES_NOT_EXIST,
    PlatformResult.VERIFICATION_FAILED: CredentialStatus.VERIFICATION_FAILED,
    PlatformResult.TIME_OUT: CredentialStatus.VERIFIER_TIME_OUT,
}

OF_THE_HOLDER = frozenset(
    {
        PlatformResult.GREEN,
        PlatformResult.YELLOW,
        PlatformResult.RED,
        PlatformResult.GREY,
        PlatformResult.EXPIRED,
    }
)
"""The platform knows whose code it is; of any other the holder is nobody."""

ABOUT_THE_CODE = OF_THE_HOLDER | {PlatformResult.DOES_NOT_EXIST}
"""Worth remembering. The others say how the platform is doing, not what the code is."""


@dataclass(frozen=True, slots=True)
class TokenRefs:
    """What is remembered of a token in place of its text."""

    holder_ref: str
    pass_ref: str


def is_token(text: str, kinds: Sequence[TokenSettings]) -> bool:
    """Return whether ``text`` may be sent to the platform.

    Never one that is verified offline. The work is bounded by the longest token, whatever the text.
    """
    if not any(_is_of_kind(text, kind) for kind in kinds):
        return False
    return not resembles_ours(text) and parse_value_sheet(text) is None


def _is_of_kind(text: str, kind: TokenSettings) -> bool:
    if not kind.min_characters <= len(text) <= kind.max_characters:
        return False
    rest = text.removeprefix(kind.prefix)
    has_prefix = len(rest) + len(kind.prefix) == len(text)
    return has_prefix and bool(rest) and _ALPHABETS[kind.characters].issuperset(rest)


def token_refs(text: str, site_key: SiteKey) -> TokenRefs:
    """Return the references of a token: the same at every lane, meaningless without the key."""
    return TokenRefs(
        holder_ref(site_key.key, site_key.key_id, SCOPE, text),
        pass_ref(site_key.key, site_key.key_id, SCOPE, text.encode()),
    )


def online_credential(
    result: PlatformResult,
    refs: TokenRefs,
    *,
    presentation: str,
    colour: CodeColour,
    category: HolderCategory,
    is_old: bool = False,
) -> Credential:
    """Return the credential of one presentation. ``is_old``: by an earlier answer."""
    status = STATUS_OF_RESULT[result]
    if result not in OF_THE_HOLDER:
        return Credential(status, FORMAT, presentation, colour=colour)
    return Credential(
        status=status,
        format=FORMAT,
        presentation=presentation,
        holder_ref=refs.holder_ref,
        pass_ref=refs.pass_ref,
        category=category,
        findings=((Reason.DEGRADED, Check.SOFT),) if is_old else (),
        colour=colour,
    )


class AnswerCache:
    """The last answer about each token, in memory alone; the oldest gives way."""

    def __init__(self, most: int = MAX_KEPT_ANSWERS) -> None:
        self._most = most
        self._answers: dict[str, tuple[PlatformResult, MonoSeconds]] = {}  # oldest first

    def keep(self, refs: TokenRefs, result: PlatformResult, at: MonoSeconds) -> None:
        """Remember an answer, if it is about the code itself."""
        if result not in ABOUT_THE_CODE:
            return
        self._answers.pop(refs.pass_ref, None)
        self._answers[refs.pass_ref] = (result, at)
        if len(self._answers) > self._most:
            del self._answers[next(iter(self._answers))]

    def find(self, refs: TokenRefs, now: MonoSeconds, *, max_age_s: float) -> PlatformResult | None:
        """Return the last answer about a token, if it is younger than ``max_age_s``."""
        found = self._answers.get(refs.pass_ref)
        if found is None:
            return None
        result, at = found
        return result if 0.0 <= now - at < max_age_s else None
