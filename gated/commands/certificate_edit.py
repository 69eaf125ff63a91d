"""``gated certificate request`` and ``install``: the key stays here, the CA's answer comes back."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gated.clock import BUILT_AT
from gated.config import GateConfig
from gated.durable import give_to_owner_of, write_private_file
from gated.errors import CannotWrite, ConfigError, ExitCode, GatedError
from gated.facts.certificates import pairs_of
from gated.mqtt.certificates import common_name, describe, read_certificates, why_not_for_client
from gated.mqtt.own_pairs import OwnPairs

_PEM = serialization.Encoding.PEM


def user_of(config: GateConfig) -> str:
    """Return the name by which the broker must know the gate."""
    return config.uplink.user or config.gate.name


# --- request -------------------------------------------------------------------------------------


def request(config: GateConfig, out: Path | None, *, is_new: bool) -> int:
    """Print a request for the CA, of the key that is there or of a new one.

    Raises: GatedError: a file cannot be read or written.
    """
    pairs = pairs_of(config)
    key = None if is_new else _load_key(pairs.request_key)
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        _make_folder(pairs.folder)
        pem = key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private_file(pairs.request_key, pem, for_service=True)
    asked = x509.CertificateSigningRequestBuilder().subject_name(_subject(pairs, config))
    csr = asked.sign(key, hashes.SHA256()).public_bytes(_PEM)
    if out is None:
        sys.stdout.write(csr.decode("ascii"))
        sys.stdout.flush()
    else:
        try:
            out.write_bytes(csr)
        except OSError as exc:
            raise CannotWrite(f"{out}: cannot be written ({exc.strerror}) (无法写入)") from exc
    print(
        f"key          {pairs.request_key}  (stays here 私钥留在本机)\n"
        "next         take the request to the CA, then: gated certificate install FILE\n"
        "下一步       把申请交给 CA 签发，再运行 gated certificate install FILE",
        file=sys.stderr,
    )
    return int(ExitCode.OK)


def _subject(pairs: OwnPairs, config: GateConfig) -> x509.Name:
    """Return the subject of the certificate in force, or the gate's name if there is none."""
    own = pairs.in_force().certificate
    if own is not None:
        subject = read_certificates(own)[0].subject
        if common_name(subject) == user_of(config):
            return subject
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_of(config))])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            give_to_owner_of(folder.parent, descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise CannotWrite(f"{folder}: cannot be made ({exc.strerror}): try sudo") from exc


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"{path}: no private key; begin again: gated certificate request --new (私钥无法使用)"
        ) from exc
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


# --- install -------------------------------------------------------------------------------------


def install(config: GateConfig, file: Path, ca: Path | None, now: datetime) -> int:
    """Let the CA's answer be tried, if it is one that the broker can accept.

    Raises: GatedError: it is not; nothing was changed.
    """
    pairs = pairs_of(config)
    key = _load_key(pairs.request_key)
    if key is None:
        raise GatedError(
            "no request is open on this gate: gated certificate request (本机没有待签发的申请)"
        )
    chain = _chain_of(file, key)
    _check(chain, ca or pairs.configured.ca, user_of(config), now, file)
    pem = pairs.request_key.read_bytes() + b"".join(one.public_bytes(_PEM) for one in chain)
    pairs.put_new(pem)
    pairs.request_key.unlink(
        missing_ok=True
    )  # a power cut before this leaves it, which does no harm
    leaf = describe(chain[0])
    print(f"installed    {leaf.name}, until {leaf.not_after:%Y-%m-%d}, in {pairs.new_file}")
    print("next         the uplink tries it now; the old one stays until the broker accepts it:")
    print("             gated certificate show")
    print("下一步       上传进程随即试用；被接受前旧证书继续使用。")
    return int(ExitCode.OK)


def _chain_of(file: Path, key: ec.EllipticCurvePrivateKey) -> list[x509.Certificate]:
    """Return the certificates in ``file``, that of ``key`` first."""
    found = read_certificates(file)
    own = [one for one in found if one.public_key() == key.public_key()]
    if not own:
        names = ", ".join(describe(one).name for one in found)
        raise GatedError(
            f"{file} ({names}) is not the answer to this gate's open request: the keys differ "
            "(与本机申请的密钥不符)"
        )
    return [own[0], *(one for one in found if one != own[0])]


def _check(
    chain: list[x509.Certificate], ca: Path | None, user: str, now: datetime, file: Path
) -> None:
    if now < BUILT_AT:
        raise GatedError(f"the clock says {now:%Y-%m-%d}: set it first (请先对时)")
    if ca is None:
        raise GatedError("--ca FILE is needed: uplink.ca_file is not set (请用 --ca 指定 CA)")
    name = common_name(chain[0].subject)
    if name != user:
        raise GatedError(
            f"{file} is of {name or 'nobody'}, but the broker knows this gate as {user}, which its "
            f"common name (CN) must be (证书名称须为 {user})"
        )
    why = why_not_for_client(chain, read_certificates(ca), now)
    if why is not None:
        raise GatedError(f"{file}: {why}")
