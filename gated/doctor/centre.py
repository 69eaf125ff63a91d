"""The way to the centre: certificates, the broker, what the collector has acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gated.clock import BUILT_AT, Clock
from gated.config import GateConfig
from gated.controller.certificate_watch import own_pairs
from gated.doctor.findings import Finding, Text, error, ok, unknown, warning
from gated.doctor.host import CannotLook
from gated.errors import BrokerUnavailable, ConfigError
from gated.facts.certificates import OWN, STAGES, Seen, facts_of_gate
from gated.facts.problems import delivery, problems_of_ledger
from gated.facts.status import GateStatus
from gated.mqtt.address import BrokerAddress, broker_address
from gated.mqtt.certificate_life import LifeStage, whole_days_left
from gated.mqtt.reach import reach

BROKER, CERTIFICATES, ACK = "broker", "certificates", "collector_ack"
BROKER_WITHIN_S = 10.0
"""For the name, the connection and the TLS handshake together."""


def look_at_broker(config: GateConfig) -> Iterator[Finding]:
    """Yield whether a connection to the broker comes about, TLS included."""
    address = _address(config)
    try:
        reach(address)
    except BrokerUnavailable as exc:
        yield error(
            BROKER,
            says=(f"连不上 {address.url}：{exc}", f"cannot reach {address.url}: {exc}"),
            mend=(
                "记录留在本机；检查网络、uplink.broker 和证书",
                "records are kept here; check the network, uplink.broker and the certificates",
            ),
        )
    else:
        yield ok(BROKER, says=(f"{address.url} 可连接", f"{address.url} can be reached"))


def address_in_force(config: GateConfig) -> BrokerAddress:
    """Return the broker, with the pair in force. Raises: ConfigError: a file cannot be used."""
    address = broker_address(config.uplink, config.client_id, config.mqtt_user)
    pairs = own_pairs(config)
    return address if pairs is None else replace(address, tls=pairs.in_force())


def _address(config: GateConfig) -> BrokerAddress:
    """Return the broker. Raises: CannotLook: a file cannot be used."""
    try:
        return address_in_force(config)
    except ConfigError as exc:
        raise CannotLook(str(exc)) from exc


def look_at_certificates(config: GateConfig, clock: Clock) -> Iterator[Finding]:
    """Yield how many days each certificate of the uplink has left."""
    if not config.uplink.endpoint.is_tls:
        yield ok(CERTIFICATES, says=("未用 TLS，没有证书", "mqtt:// uses no certificates"))
        return
    now = clock.now()
    if now < BUILT_AT:
        raise CannotLook("the clock is wrong, so days cannot be counted (时钟错误，天数不可信)")
    facts = facts_of_gate(config)
    for one in facts.seen:
        yield _certificate(one, now_left=whole_days_left(one.certificate.not_after, now),
                           stage=one.certificate.stage(now))  # fmt: skip
    if facts.refusal is not None:
        reason = facts.refusal.reason
        yield warning(
            CERTIFICATES,
            says=(f"新证书未被接受：{reason}", f"the broker refuses the new certificate: {reason}"),
            mend=_MEND_CERTIFICATE,
        )
    if not facts.seen:
        yield ok(
            CERTIFICATES,
            says=(
                "没有自己的证书，用系统 CA",
                "no certificate of its own; the system's CAs are used",
            ),
        )


def _certificate(one: Seen, *, now_left: int, stage: LifeStage) -> Finding:
    held = one.certificate
    what: Text = ("本机证书", "certificate") if one.what == OWN else ("CA", "CA")
    zh, en = STAGES[stage]
    until = f"{held.not_after:%Y-%m-%d}"
    says = (
        f"{what[0]} {held.name} {zh}，还剩 {now_left} 天 (至 {until})",
        f"{what[1]} {held.name} is {en}: {now_left} days left, until {until}",
    )
    if stage is LifeStage.EXPIRED:
        says = (says[0], f"{what[1]} {held.name} {en} on {until}")
        return error(CERTIFICATES, says=says, mend=_MEND_CERTIFICATE)
    if stage is LifeStage.OK:
        return ok(CERTIFICATES, says=says)
    return warning(CERTIFICATES, says=says, mend=_MEND_CERTIFICATE)


_MEND_CERTIFICATE: Text = (
    "gated certificate show，步骤见 docs/broker-certificates.md",
    "gated certificate show, and docs/broker-certificates.md",
)


def took_in_words(status: GateStatus) -> Text:
    """Return how long the newest record took to the collector's disk and back, by the uplink.

    Nothing is sent to measure it: where nothing was recorded since its start, nobody knows.
    """
    if status.took_ms is None:
        return "", ""
    took_s = f"{status.took_ms / 1_000:.1f} s"
    return f"；最新记录从写入到回执 {took_s}", f"; the newest record's took {took_s}"


def look_at_acks(status: GateStatus) -> Iterator[Finding]:
    """Yield whether what was recorded has come back acknowledged by the collector."""
    ledger = status.ledger
    if ledger is None:
        why = status.trouble[0] if status.trouble else "there is no ledger yet (还没有台账)"
        yield unknown(ACK, says=(why, why))
        return
    took = took_in_words(status)
    says = (delivery(status, ledger, "zh-Hans") + took[0], delivery(status, ledger, "en") + took[1])
    problems = list(problems_of_ledger(status, ledger))
    for problem in problems:
        yield error(ACK, says=problem)
    if problems:
        return
    if status.acked_at is None:
        yield warning(
            ACK,
            says=says,
            mend=(
                "汇总端在运行吗？gated collector status",
                "does the collector run? gated collector status",
            ),
        )
    else:
        yield ok(ACK, says=says)
