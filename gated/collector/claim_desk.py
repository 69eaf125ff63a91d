"""Answers claims: each request gets one problem or one grant, decided before anything is sent."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime

from gated.claims import (
    MAX_REQUEST_BYTES,
    Answer,
    ClaimProblem,
    Grant,
    answer_topic,
    claim_of,
    open_request,
    seal_answer,
)
from gated.clock import Clock
from gated.collector.claim_book import MAX_FAILURES, Claim, ClaimBook, Issued
from gated.collector.claim_signing import GateAuthority
from gated.errors import CannotWrite, ConfigError, StorageError, WireError

log = logging.getLogger(__name__)


class ClaimDesk:
    """The claims of one centre.

    Args:
        book: where they are kept.
        authority: the CA for gates, or None: every claim is refused.
        clock: for the codes' end and the certificates' life.
    """

    def __init__(self, book: ClaimBook, authority: GateAuthority | None, clock: Clock) -> None:
        self._book = book
        self._authority = authority
        self._clock = clock

    def answer(self, topic: str, message: bytes, *, is_retained: bool) -> tuple[str, bytes] | None:
        """Return (topic, answer) to a message; None: it is no request, or cannot be dealt with now.

        Who gets no answer asks the same again. Never raises for anything that a network can bring.
        """
        claim_id = claim_of(topic)
        if claim_id is None:
            return None
        now = self._clock.now()
        try:
            with self._book.locked():
                self._book.tidy(now)
                answer = self._decide(claim_id, message, now, is_retained=is_retained)
        except (CannotWrite, StorageError) as exc:
            log.error("claim %s: %s; it is not answered", claim_id, exc)
            return None
        if isinstance(answer, ClaimProblem):
            log.warning("claim %s is refused: %s", claim_id, answer.value)
            answer = Answer(problem=answer).model_dump_json(exclude_none=True).encode()
        return answer_topic(claim_id), answer

    def _decide(
        self, claim_id: str, message: bytes, now: datetime, *, is_retained: bool
    ) -> bytes | ClaimProblem:
        claim = self._book.claim(claim_id)
        if is_retained:
            return ClaimProblem.RETAINED
        if claim is None:
            return ClaimProblem.UNKNOWN
        if now >= claim.expires_at:
            return ClaimProblem.EXPIRED
        digest = hashlib.sha256(message).hexdigest()
        if claim.used_at is not None:
            is_same = claim.request_digest == digest and claim.answer is not None
            return (claim.answer or "").encode() if is_same else ClaimProblem.USED
        if claim.is_spent:
            return ClaimProblem.SPENT
        return self._examine(claim, message, digest, now)

    def _examine(
        self, claim: Claim, message: bytes, digest: str, now: datetime
    ) -> bytes | ClaimProblem:
        """Return the answer to a request for an open claim.

        Raises: StorageError: somebody has changed its file; CannotWrite.
        """
        if claim.key is None or claim.grant is None:
            raise StorageError(f"the file of claim {claim.id} lost its secrets: make a new code")
        key = bytes.fromhex(claim.key)
        try:
            if len(message) > MAX_REQUEST_BYTES:
                raise WireError("too long")
            request = open_request(key, claim.id, message)
        except WireError:
            failed = claim.model_copy(update={"failures": claim.failures + 1})
            self._book.put(failed.without_secrets() if failed.is_spent else failed)
            log.warning("claim %s: %d of %d failures", claim.id, failed.failures, MAX_FAILURES)
            return ClaimProblem.SPENT if failed.is_spent else ClaimProblem.UNREADABLE
        if request.gate is not None and request.gate != f"{claim.site}/{claim.gate}":
            return ClaimProblem.WRONG_GATE
        if self._authority is None:
            return ClaimProblem.NOT_SIGNING
        try:
            certificate, chain = self._authority.sign(request.csr, claim.user, now)
            grant: Grant = claim.grant.model_copy(update={"certificate": chain})
            answer = seal_answer(key, message, request, grant)
        except WireError:
            return ClaimProblem.UNREADABLE
        except ConfigError as exc:
            log.error("claim %s: %s", claim.id, exc)
            return ClaimProblem.NOT_SIGNING
        # Durable before it is sent: what was given is known, and the code is used.
        self._note(claim, certificate.serial_number, certificate.not_valid_after_utc, now)
        used = claim.without_secrets().model_copy(
            update={"used_at": now, "request_digest": digest, "answer": answer.decode("ascii")}
        )
        self._book.put(used)
        log.info("claim %s: %s/%s has its certificate", claim.id, claim.site, claim.gate)
        return answer

    def _note(self, claim: Claim, serial: int, not_after: datetime, now: datetime) -> None:
        """Write which certificate was given, and that those of the machine before count no more."""
        own = (claim.site, claim.gate)
        issued = [
            each.model_copy(update={"revoked_at": now})
            if claim.replaces and (each.site, each.gate) == own and each.revoked_at is None
            else each
            for each in self._book.issued()
        ]
        given = Issued(
            serial=serial, site=claim.site, gate=claim.gate, issued_at=now, not_after=not_after
        )
        self._book.put_issued([*issued, given])
