"""Tells in time that a certificate of the uplink ends, and that a new one is not accepted.

The uplink has no ledger, so the controller looks at the uplink's files. It is told once for each
stage, over restarts, and never by a clock that nobody has set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gated.clock import Clock, TimeQuality
from gated.config import GateConfig
from gated.contents import AlarmContent, AlarmName
from gated.controller.decider import Record
from gated.errors import ConfigError
from gated.mqtt.address import TlsFiles
from gated.mqtt.certificate_life import ALARMING, LifeStage, whole_days_left
from gated.mqtt.certificates import Certificate, describe, read_certificates
from gated.mqtt.own_pairs import FOLDER, OwnPairs
from gated.units import MonoSeconds

TOLD_SETTING = "certificates_told"
"""In the ledger: "FINGERPRINT:STAGE", separated by spaces."""
DEVICE = "uplink"
LOOK_EVERY_S = 10.0
_REFUSED = "refused"  # stands for a stage in what was told


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that the uplink needs: its own, or one of the CAs that sign brokers."""

    certificate: Certificate
    is_own: bool

    @property
    def label(self) -> str:
        return f"{'certificate' if self.is_own else 'CA'} {self.certificate.name}"


def own_pairs(config: GateConfig) -> OwnPairs | None:
    """Return where the uplink's certificates are; None: it does not use TLS."""
    uplink = config.uplink
    if not uplink.endpoint.is_tls:
        return None
    files = TlsFiles(uplink.ca_file, uplink.cert_file, uplink.key_file)
    return OwnPairs(config.paths.state / FOLDER, files)


def held_certificates(pairs: OwnPairs) -> Iterator[Held]:
    """Yield what is in force. What cannot be read is passed over: the uplink says so itself."""
    own, authorities = pairs.in_force().certificate, pairs.configured.ca
    try:
        if own is not None:
            yield Held(describe(read_certificates(own)[0]), is_own=True)
    except ConfigError:
        pass
    try:
        for authority in read_certificates(authorities) if authorities is not None else ():
            yield Held(describe(authority), is_own=False)
    except ConfigError:
        pass


class CertificateWatch:
    """Looks at the uplink's files now and then.

    Args:
        pairs: where they are; None: there are none.
        clock: for the looks, and for the days that are left.
        quality: how far the clock can be believed.
        told: what the ledger says was told before.
        publish: takes the alarms.
    """

    def __init__(
        self,
        pairs: OwnPairs | None,
        clock: Clock,
        *,
        quality: Callable[[], TimeQuality],
        told: str | None,
        publish: Callable[[Record], None],
    ) -> None:
        self._pairs = pairs
        self._clock = clock
        self._quality = quality
        self._told = set((told or "").split())
        self._publish = publish
        self._look_at = MonoSeconds(float("-inf"))
        self.due: tuple[dict[str, str], ...] = ()
        """What somebody should renew, for ``status.json``."""

    def each_second(self) -> None:
        """Look if it is time to, and raise the alarms that are new."""
        now = self._clock.monotonic_s()
        if self._pairs is None or now < self._look_at:
            return
        self._look_at = MonoSeconds(now + LOOK_EVERY_S)
        self._look_at_refusal(self._pairs)
        if self._quality() is TimeQuality.TRUSTED:
            self._look_at_lives(self._pairs)

    def _look_at_refusal(self, pairs: OwnPairs) -> None:
        refusal = pairs.refusal()
        if refusal is not None:
            detail = f"the new certificate is not accepted: {refusal.reason}; the old one is used"
            mark = f"{refusal.fingerprint}:{_REFUSED}"
            self._tell_once(mark, AlarmName.CERTIFICATE_REFUSED, detail)

    def _look_at_lives(self, pairs: OwnPairs) -> None:
        now = self._clock.now()
        due = []
        for held in held_certificates(pairs):
            certificate = held.certificate
            stage = certificate.stage(now)
            if stage is LifeStage.OK:
                continue
            until = certificate.not_after.isoformat(timespec="seconds")
            due.append({"what": held.label, "stage": stage.value, "until": until})
            if stage in ALARMING:
                days = whole_days_left(certificate.not_after, now)
                left = f"{days} days left" if stage is not LifeStage.EXPIRED else "expired"
                detail = f"{held.label}: {left}, until {certificate.not_after:%Y-%m-%d}"
                mark = f"{certificate.fingerprint}:{stage.value}"
                self._tell_once(mark, AlarmName.CERTIFICATE_EXPIRING, detail)
        self.due = tuple(due)

    def _tell_once(self, mark: str, alarm: AlarmName, detail: str) -> None:
        if mark in self._told:
            return
        fingerprint = mark.partition(":")[0]
        # One mark for each certificate: what it says now takes the place of what it said before.
        self._told = {told for told in self._told if not told.startswith(fingerprint)} | {mark}
        content = AlarmContent(alarm=alarm, device=DEVICE, detail=detail[:200])
        setting = (TOLD_SETTING, " ".join(sorted(self._told)))
        self._publish(Record(content, settings=(setting,)))
