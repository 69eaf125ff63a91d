"""What a code costs to judge: every format, every refusal, and the worst that can be shown.

    python benchmarks/verify.py [--seconds S] [--seed N] [--json]

CPU time of one thread. Beside each good code stands its yardstick, the bare check of the same
signature by the same library, taken in turn with it, and the ratio of both. The worst code is
searched for ``--seconds`` long (benchmarks/hostile); memory is what Python allocates at once.

Marks: at most 5 ms for a good code, 50 ms and 16 MiB for any code.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.figures import print_figures, surroundings
from benchmarks.hostile import fullest, peak_mib, search
from fuzz import school
from fuzz.targets import changing, gp1, hc1, nzcp, shc, wecom
from gated.credentials import cbor, cose, jws
from gated.credentials.signatures import Algorithm, key_fingerprint
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import verify
from gated.vocabulary import CredentialStatus

ROUNDS = 300
GOOD_MARK_MS = 5.0
WORST_MARK_MS, WORST_MARK_MIB = 50.0, 16.0
TOLD = 5

_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
_RSA_KEY_ID = b"rsa"


@dataclass(frozen=True, slots=True)
class Case:
    """A code, what it must be judged as, and the bare check of its signature if it is good."""

    name: str
    text: str
    status: CredentialStatus
    bare: Callable[[], object] | None = None
    later: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in ms."""

    median: float
    p95: float
    bare: float | None = None

    def as_row(self) -> str:
        row = f"median {self.median:7.3f}   p95 {self.p95:7.3f}"
        if self.bare is not None:
            row += f"   bare {self.bare:7.3f}   ratio {self.median / self.bare:5.1f}"
        return row

    def as_dict(self) -> dict[str, float]:
        figures = {"median_ms": self.median, "p95_ms": self.p95}
        if self.bare is not None:
            figures |= {"bare_ms": self.bare, "ratio": round(self.median / self.bare, 2)}
        return figures


def trust() -> TrustList:
    """Return the fuzzers' keys and one more, RSA, which is made anew each time."""
    public = _RSA.public_key()
    rsa_key = TrustedKey(public, (_RSA_KEY_ID,), key_fingerprint(public), "benchmark")
    return TrustList.of([*(key for keys in school.TRUST.keys.values() for key in keys), rsa_key])


def cases() -> list[Case]:
    """Return the good codes of every format, and one for each reason of a refusal."""
    valid, claims = CredentialStatus.VALID, hc1.CLAIMS[0]
    ed25519, ministry = school.SCHOOL.public_key(), school.MINISTRY.public_key()
    company = school.COMPANY.public_key()
    of_gp1, of_gp1t = school.gp1(gp1.CLAIMS[0]), changing.GOOD
    of_hc1, of_nzcp = school.hc1(claims), school.nzcp(nzcp.CLAIMS[0])
    of_shc, of_wecom = school.shc(shc.CARDS[0]), school.wecom(wecom.CODES[0])
    of_rsa, rsa_check = _rsa_code(claims)
    signed = wecom.CODES[0]
    cose_gp1 = school.sign1(gp1.CLAIMS[0], school.SCHOOL, key_fingerprint(ed25519))
    cose_hc1 = school.sign1(claims, school.MINISTRY, school.MINISTRY_KEY_ID)
    cose_nzcp = school.sign1(nzcp.CLAIMS[0], school.MINISTRY, school.NZ_KEY_ID)
    changed = of_hc1[:-9] + ("A" if of_hc1[-9] != "A" else "B") + of_hc1[-8:]
    return [
        Case("GP1, Ed25519", of_gp1, valid, _of_cose(cose_gp1, ed25519)),
        Case("GP1T, changing", of_gp1t, valid, _of_cose(changing.MESSAGE, ed25519)),
        Case("HC1, ES256", of_hc1, valid, _of_cose(cose_hc1, ministry)),
        Case("HC1, PS256 of 2,048 bits", of_rsa, valid, rsa_check),
        Case("NZCP", of_nzcp, valid, _of_cose(cose_nzcp, ministry)),
        Case("SHC", of_shc, valid, _of_jws(shc.CARDS[0], ministry)),
        Case(
            "WeCom",
            of_wecom,
            valid,
            _bare_ecdsa(school.signature_of(signed, school.COMPANY), signed, company),
        ),
        Case("expired", of_hc1, CredentialStatus.EXPIRED, later=timedelta(days=3_000)),
        Case("stale code", of_gp1t, CredentialStatus.STALE_CODE, later=timedelta(minutes=5)),
        Case(
            "bad signature",
            school.hc1(claims, school.OTHER_MINISTRY),
            CredentialStatus.BAD_SIGNATURE,
        ),
        Case("unknown key", _of_unknown_key(claims), CredentialStatus.UNKNOWN_KEY),
        Case("malformed, one character", changed, CredentialStatus.MALFORMED),
        Case("malformed claims", school.gp1(claims), CredentialStatus.MALFORMED),
        Case("unsupported", "https://example.org/" + "A" * 200, CredentialStatus.UNSUPPORTED),
    ]


def _of_unknown_key(claims: bytes) -> str:
    return "HC1:" + hc1.packed(school.sign1(claims, school.MINISTRY, b"nobody's"))


def _rsa_code(claims: bytes) -> tuple[str, Callable[[], object]]:
    protected = cbor.encode({1: int(Algorithm.PS256), 4: _RSA_KEY_ID})
    signed = cbor.encode(["Signature1", protected, b"", claims])
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = _RSA.sign(signed, pss, hashes.SHA256())
    message = cbor.encode(cbor.Tagged(18, [protected, {}, claims, signature]))
    public = _RSA.public_key()
    return "HC1:" + hc1.packed(message), lambda: public.verify(
        signature, signed, pss, hashes.SHA256()
    )


def _of_cose(
    data: bytes, key: Ed25519PublicKey | ec.EllipticCurvePublicKey
) -> Callable[[], object]:
    message = cose.parse_sign1(data)
    signed = cbor.encode(["Signature1", message.protected, b"", message.payload])
    if isinstance(key, Ed25519PublicKey):
        return lambda: key.verify(message.signature, signed)
    return _bare_ecdsa(message.signature, signed, key)


def _of_jws(card: bytes, key: ec.EllipticCurvePublicKey) -> Callable[[], object]:
    message = jws.parse_compact(shc.jws_of(card))
    return _bare_ecdsa(message.signature, message.signed, key)


def _bare_ecdsa(
    signature: bytes, signed: bytes, key: ec.EllipticCurvePublicKey
) -> Callable[[], object]:
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    der = encode_dss_signature(r, s)
    return lambda: key.verify(der, signed, ec.ECDSA(hashes.SHA256()))


def measure(case: Case, trusted: TrustList) -> Cost:
    """Return what ``case`` costs; the bare check is taken in turn with it."""
    now = school.NOW + case.later

    def judge() -> CredentialStatus:
        return verify(case.text, now=now, trust=trusted, site_key=school.SITE_KEY.key).status

    assert judge() is case.status, (case.name, judge())
    whole, bare = [], []
    for _ in range(ROUNDS):
        whole.append(_spent_ms(judge))
        if case.bare is not None:
            bare.append(_spent_ms(case.bare))
    whole.sort()
    return Cost(
        round(statistics.median(whole), 4),
        round(whole[int(0.95 * len(whole))], 4),
        round(statistics.median(bare), 4) if bare else None,
    )


def _spent_ms(run: Callable[[], object]) -> float:
    begun_s = time.thread_time()
    run()
    return (time.thread_time() - begun_s) * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of the search (5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    trusted = trust()
    costs = {case.name: measure(case, trusted) for case in cases()}
    found = search(args.seconds, args.seed)
    heaviest = max([*(worst.text for worst in found), *fullest()], key=peak_mib)
    slowest_ms = max(cost.median for cost in costs.values())
    worst_ms = round(found[0].cpu_ms, 2)
    strangers_ms = round(max(worst.cpu_ms for worst in found if not worst.is_signed), 2)
    rows: dict[str, object] = {
        name: cost.as_dict() if args.json else cost.as_row() for name, cost in costs.items()
    }
    for worst in found[:TOLD]:
        rows[f"worst: {worst.name}, {len(worst.text)} characters, ms"] = round(worst.cpu_ms, 2)
    marks = {
        "verify.good_max_ms": (slowest_ms, GOOD_MARK_MS),
        "verify.worst_ms": (worst_ms, WORST_MARK_MS),
        "verify.worst_of_a_stranger_ms": (strangers_ms, WORST_MARK_MS),
        "verify.worst_mib": (round(peak_mib(heaviest), 2), WORST_MARK_MIB),
    }
    rows |= {
        name: value if args.json else f"{value} (mark: at most {mark:g})"
        for name, (value, mark) in marks.items()
    }
    beside = f"nothing; {len(found)} families searched for {args.seconds:g} s, seed {args.seed}"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
