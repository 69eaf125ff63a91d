"""The gate's side of a claim: a key is made here, and everything that comes back is looked at.

The way to the broker is not believed: a new gate knows no CA. What it asks and what it gets is
sealed with the code's secret; and the CA that it gets must be the one of the code (its pin), and
must have signed what the broker showed. Nothing is written here.
"""

from __future__ import annotations

import base64
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from gated import __version__
from gated.claim_codes import Offer, ca_pin, parse_offer
from gated.claims import (
    CLAIM_PASSWORD,
    CLAIM_USER,
    ClaimProblem,
    Grant,
    Request,
    open_grant,
    read_answer,
    seal_request,
)
from gated.clock import BUILT_AT, Clock
from gated.config.broker import Endpoint, parse_broker
from gated.config.load import parse_toml
from gated.errors import BrokerUnavailable, ConfigError, GatedError, WireError
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.mqtt.certificates import common_name, parse_certificates, why_not_for_client
from gated.mqtt.reach import reach, shown_certificate
from gated.setup.claim_link import exchange_letters
from gated.setup.file import SetupFile
from gated.setup.plan import Wishes
from gated.setup.writing import refuse_to_replace
from gated.texts import Pair

_PEM = serialization.Encoding.PEM
_RETRY_S = 2.0
PROBLEMS: dict[ClaimProblem, Pair] = {
    ClaimProblem.UNKNOWN: (
        "中心没有此认领码 (可能已作废)",
        "the centre knows no such code: was it withdrawn, or is this another centre?",
    ),
    ClaimProblem.EXPIRED: ("认领码已过期，请重新生成", "the code has expired: have a new one made"),
    ClaimProblem.USED: (
        "认领码已被使用。若不是您，请通知中心",
        "the code was used already: have a new one made. If it was not you, tell the centre",
    ),
    ClaimProblem.SPENT: (
        "错误次数过多，认领码已失效，请重新生成",
        "too many wrong attempts, the code is spent: have a new one made",
    ),
    ClaimProblem.UNREADABLE: (
        "认领码不符：请与中心显示的逐字核对",
        "the centre cannot read the request: compare the code with the one that the centre shows",
    ),
    ClaimProblem.RETAINED: (
        "服务器保留了旧消息，请重试",
        "the broker kept an old letter: try again",
    ),
    ClaimProblem.WRONG_GATE: (
        "此认领码属于另一台闸机",
        "the code is for another gate than --gate names",
    ),
    ClaimProblem.NOT_SIGNING: (
        "中心未配置签发闸机证书的 CA，无法认领",
        "the centre has no CA that signs gates (claims.ca_cert_file in its collector.toml)",
    ),
}


class ClaimFailed(GatedError):
    """The gate was given nothing, or what it was given is not to be used. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Where and how a claim is made.

    Args:
        clock: for the certificates' lives.
        within_s: how long an answer is waited for.
        tell: hears what is being waited for.
        wait: pauses for as many seconds.
        broker: where the broker is, in place of what the code says.
        ca: CAs whose broker is believed from the beginning; None: see above.
        gate: SITE/GATE that it must be; None: whichever the code is for.
    """

    clock: Clock
    within_s: float
    tell: Callable[[Pair], None]
    wait: Callable[[float], object]
    broker: str | None = None
    ca: Path | None = None
    gate: str | None = None

    def claim(self, offer: Offer) -> Wishes:
        """Return what the centre makes of this machine. Raises: GatedError: nothing was given."""
        url = self.broker or offer.broker
        if url is None:
            raise ClaimFailed(
                "--broker mqtts://HOST:PORT is needed: a typed code does not say where the centre "
                "is (请用 --broker 指定服务器)"
            )
        try:
            endpoint = parse_broker(url)
        except ValueError as exc:
            raise ConfigError(f"the broker {exc}") from exc
        key = ec.generate_private_key(ec.SECP256R1())
        exchange = X25519PrivateKey.generate()
        request = Request(
            csr=_request_for(key),
            exchange=exchange.public_key().public_bytes_raw().hex(),
            gate=self.gate,
            software=__version__,
        )
        letter = seal_request(offer.code.key(), offer.code.id, request)
        with tempfile.TemporaryDirectory(prefix="gated-claim-") as folder:
            answer_bytes = self._exchange(offer, letter, endpoint, Path(folder))
            try:
                answer = read_answer(answer_bytes)
                if answer.problem is not None:
                    zh, en = PROBLEMS[answer.problem]
                    raise ClaimFailed(f"{en} ({zh})")
                grant = open_grant(offer.code.key(), letter, exchange, answer)
            except WireError as exc:
                raise ClaimFailed(f"{exc} (应答无效)") from exc
            self._check_broker(grant, offer, endpoint, Path(folder))
        return wishes_of(grant, key, self.clock.now())

    def _exchange(self, offer: Offer, letter: bytes, endpoint: Endpoint, folder: Path) -> bytes:
        """Return the answer. Raises: ClaimFailed: none came."""
        until_s = self.clock.monotonic_s() + self.within_s
        says = ""
        while (left_s := until_s - self.clock.monotonic_s()) > 0:
            try:
                self._check_clock()
                address = self._address(endpoint, folder)
                return exchange_letters(address, offer.code.id, letter, self.clock, left_s)
            except BrokerUnavailable as exc:  # at a first start network and time come late
                if str(exc) != says:
                    says = str(exc)
                    self.tell((f"等待中：{says}", f"waiting: {says}"))
                self.wait(max(0.0, min(_RETRY_S, until_s - self.clock.monotonic_s())))
        raise ClaimFailed(
            f"no answer within {self.within_s:g} s{f': {says}' if says else ''}. Does the "
            "collector run, with claims.enabled? (未收到中心应答)"
        )

    def _check_clock(self) -> None:
        """Raise BrokerUnavailable while no certificate could be valid yet."""
        now = self.clock.now()
        if now < BUILT_AT:
            raise BrokerUnavailable(f"the clock says {now:%Y-%m-%d}, set it (请对时)")

    def _address(self, endpoint: Endpoint, folder: Path) -> BrokerAddress:
        tls = None
        if endpoint.is_tls:
            ca = self.ca
            if ca is None:
                ca = folder / "shown.pem"
                ca.write_text(shown_certificate(endpoint.host, endpoint.port), encoding="ascii")
            tls = TlsFiles(ca=ca)
        return BrokerAddress(
            host=endpoint.host,
            port=endpoint.port,
            client_id=f"gated-claim-{secrets.token_hex(8)}",
            username=CLAIM_USER,
            password=CLAIM_PASSWORD,
            tls=tls,
        )

    def _check_broker(self, grant: Grant, offer: Offer, endpoint: Endpoint, folder: Path) -> None:
        """Raise ClaimFailed unless the CA that came is the code's, and the broker's."""
        authorities = parse_certificates(grant.ca.encode(), "the centre's CA")
        if offer.ca_pin is not None and offer.ca_pin not in map(ca_pin, authorities):
            raise ClaimFailed(
                "the CA that came is not the one of the code: nothing was written; tell the centre "
                "(CA 与认领码不符，请通知中心)"
            )
        if not endpoint.is_tls:
            return
        file = folder / "came.pem"
        file.write_text(grant.ca, encoding="ascii")
        address = BrokerAddress(endpoint.host, endpoint.port, client_id="", tls=TlsFiles(ca=file))
        try:
            reach(address)
        except BrokerUnavailable as exc:
            raise ClaimFailed(
                f"the broker at {address.url} is not the one that the centre means: {exc}. Nothing "
                "was written; have a new code made (服务器与中心所述不符)"
            ) from exc


def wishes_of_file(
    setup: SetupFile, claimant: Claimant, config_file: Path, *, replaces: bool
) -> Wishes:
    """Return what a setup file asks for, or what its code is given. Raises: GatedError."""
    code = setup.settings.claim
    if code is None:
        return setup.wishes
    if not replaces:
        refuse_to_replace(config_file)  # before the code is used up
    if setup.settings.claim_broker is not None:
        claimant = replace(claimant, broker=setup.settings.claim_broker)
    return claimant.claim(offer_of(code))


def offer_of(text: str) -> Offer:
    """Return what a code says that somebody typed. Raises: ConfigError: it is none."""
    try:
        return parse_offer(text)
    except WireError as exc:
        raise ConfigError(str(exc)) from exc


def wishes_of(grant: Grant, key: ec.EllipticCurvePrivateKey, now: datetime) -> Wishes:
    """Return what is to be written. Raises: GatedError: what came cannot be used."""
    _check_certificate(grant, key, now)
    tables = parse_toml(grant.config, "the centre's configuration")
    own = tables.get("gate", {})
    identity = {"site": grant.site, "name": grant.gate}
    try:
        trust = {n: base64.b64decode(text, validate=True) for n, text in grant.trust.items()}
    except ValueError as exc:  # binascii.Error is one, and so is what is not ASCII
        raise ClaimFailed("a public key that came is damaged (公钥已损坏)") from exc
    return Wishes(
        tables={**tables, "gate": {**own, **identity}},
        site_key=grant.site_key,
        ca=grant.ca.encode(),
        trust=trust,
        certificate=grant.certificate.encode(),
        key=key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _check_certificate(grant: Grant, key: ec.EllipticCurvePrivateKey, now: datetime) -> None:
    chain = parse_certificates(grant.certificate.encode(), "the centre's certificate")
    authorities = [*chain[1:], *parse_certificates(grant.ca.encode(), "the centre's CA")]
    why = why_not_for_client(chain[:1], authorities, now)
    if chain[0].public_key() != key.public_key():
        why = "it is of another key (密钥不符)"
    elif common_name(chain[0].subject) != grant.gate:
        why = f"it does not name {grant.gate} (名称不符)"
    if why is not None:
        raise ClaimFailed(f"the certificate that came cannot be used: {why}")


def _request_for(key: ec.EllipticCurvePrivateKey) -> str:
    # The name is the centre's to say: the code is for one gate.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gated-claim")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(_PEM).decode("ascii")
