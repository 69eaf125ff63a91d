"""``gated verify``: what a code's text proves at a given moment. Reads standard input only."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.config import GateConfig
    from gated.credentials.enough import CertificateRules
    from gated.credentials.trusted_keys import TrustList
    from gated.credentials.verify import Verification

HELP = "say what a code's text proves, offline 离线验证一段码文"

EPILOG = """\
Reads one text from standard input and takes one newline off its end, nothing else: a space is part
of a code. With --lines each line is a text of its own, and each gives one line of output.

Status: valid, expired, not_yet_valid, bad_signature, unknown_key, wrong_use, revoked, malformed,
unsupported, stale_code. "format" is null when no format is recognised; the dates are null unless
the signature is good. A pass holds while valid_from <= now < valid_until.

With --config an answer also says whether the code is enough for that gate ("enough").

Exit code: with --json or --lines 0, whatever the status; else 0 if valid and 1 if not.
"""

MAX_INPUT_BYTES = 65_536
"""Far more than any code; what is longer is malformed and is not kept in memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="print one JSON object for each text")
    parser.add_argument("--lines", action="store_true", help="one text per line")
    parser.add_argument(
        "--now",
        type=parse_moment,
        metavar="ISO",
        help="judge at this moment (offset or Z; without one: UTC). Default: the clock",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="folder with certificates and key sets; without it no key is known",
    )
    parser.add_argument(
        "--revocations",
        type=Path,
        action="append",
        default=[],
        metavar="FILE-or-DIR",
        help="revoked codes: a signed list, a plain one, or a folder of signed ones; repeatable",
    )
    parser.add_argument(
        "--site-key",
        type=Path,
        metavar="FILE",
        help="the site's key; without it a code that changes on a phone is unknown_key",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a gate's configuration: its trust folder, unless --trust names one, and its rules on "
        "certificates, by which each answer also says whether the code is enough there",
    )


def parse_moment(text: str) -> datetime:
    """Return ``text`` (ISO 8601) as an aware datetime; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date and time such as 2026-11-23T07:30:00+08:00"
        ) from exc


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.vocabulary import CredentialStatus

    gate = None if args.config is None else _Gate.of(args.config)
    now: datetime = args.now or SystemClock().now()
    if gate is not None and args.trust is None:
        trust = gate.trust(now)
    else:
        trust = load_trust_or_none(args.trust)
    revoked = _revoked_ids(args.revocations, trust, now)
    site_key = _site_key(args.site_key)
    inputs = _read_lines(sys.stdin.buffer) if args.lines else iter([_read_one(sys.stdin.buffer)])
    verification = None
    for data in inputs:
        verification = _verify_bytes(data, now, trust, revoked, site_key)
        enough = None if gate is None else gate.is_enough(verification, now)
        answer = _as_json(verification, enough) if args.json else _as_sentence(verification, enough)
        print(answer, flush=args.lines)
    if args.json or args.lines or verification is None:
        return int(ExitCode.OK)
    is_valid = verification.status is CredentialStatus.VALID
    return int(ExitCode.OK if is_valid else ExitCode.FAILED)


def load_trust_or_none(folder: Path | None) -> TrustList:
    """Return the keys in ``folder``, none without one; its problems go to standard error."""
    from gated.credentials.trust import load_trust
    from gated.credentials.trusted_keys import TrustList

    return TrustList() if folder is None else _with_problems_said(load_trust(folder))


def _with_problems_said(trust: TrustList) -> TrustList:
    for problem in trust.problems:
        print(f"gated: {problem}", file=sys.stderr)
    return trust


def _revoked_ids(paths: Iterable[Path], trust: TrustList, now: datetime) -> frozenset[bytes]:
    """Return what the lists revoke. Raises: ConfigError: one of them is not believed."""
    from gated.credentials.revocation_folder import load_ids

    return frozenset().union(*(load_ids(path, trust, now) for path in paths))


def _site_key(path: Path | None) -> bytes | None:
    """Return the key in ``path``. Raises: ConfigError: it cannot be used."""
    from gated.credentials.pseudonym import load_site_key

    return None if path is None else load_site_key(path).key


def _read_one(stream: BinaryIO) -> bytes | None:
    """Return the whole input without one trailing newline, None if it is too long."""
    data = stream.read(MAX_INPUT_BYTES + 1)
    return None if len(data) > MAX_INPUT_BYTES else data.removesuffix(b"\n")


def _read_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line without its newline, None for one that is too long (read past, not kept)."""
    while line := stream.readline(MAX_INPUT_BYTES + 1):
        if len(line) <= MAX_INPUT_BYTES or line.endswith(b"\n"):
            yield line.removesuffix(b"\n")
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_INPUT_BYTES)
        yield None


def _verify_bytes(
    data: bytes | None,
    now: datetime,
    trust: TrustList,
    revoked: frozenset[bytes],
    site_key: bytes | None,
) -> Verification:
    from gated.credentials.verify import Verification, verify
    from gated.vocabulary import CredentialStatus, Reason

    try:
        if data is not None:
            text = data.decode("utf-8")
            return verify(text, now=now, trust=trust, revoked=revoked, site_key=site_key)
    except UnicodeDecodeError:
        pass  # the same answer as for a text that is too long
    return Verification(None, CredentialStatus.MALFORMED, (Reason.MALFORMED,))


def iso(moment: datetime | None) -> str | None:
    """Return ``moment`` in UTC with a Z, as everything that gated prints for programs."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _Gate:
    """What a gate's configuration says of codes."""

    config: GateConfig
    timezone: tzinfo
    rules: CertificateRules

    @classmethod
    def of(cls, path: Path) -> _Gate:
        """Raises: ConfigError."""
        from zoneinfo import ZoneInfo

        from gated.config import load_gate
        from gated.controller.certificates import certificate_rules

        config = load_gate(path)
        timezone = ZoneInfo(config.gate.timezone)
        return cls(config, timezone, certificate_rules(config))

    def trust(self, now: datetime) -> TrustList:
        """Return the keys that this gate believes; its problems go to standard error."""
        from gated.controller.pushed_trust import load_all_trust

        return _with_problems_said(load_all_trust(self.config, now))

    def is_enough(self, verification: Verification, now: datetime) -> bool:
        """Return whether the gate asks for nothing more; False for a code that does not hold."""
        from gated.credentials.enough import is_enough
        from gated.vocabulary import CredentialStatus

        proof, code_format = verification.proof, verification.format
        if proof is None or code_format is None:
            return False
        is_valid = verification.status is CredentialStatus.VALID
        return is_valid and is_enough(proof, code_format, now, self.timezone, self.rules)


def _as_json(verification: Verification, enough: bool | None) -> str:
    answer: dict[str, object] = {
        "format": verification.format,
        "status": verification.status,
        "reasons": list(verification.reasons),
        "valid_from": iso(verification.valid_from),
        "valid_until": iso(verification.valid_until),
    }
    return json.dumps(answer if enough is None else {**answer, "enough": enough})


def _as_sentence(verification: Verification, enough: bool | None) -> str:
    sentence = f"{verification.status} ({verification.format or 'no known format'})"
    if verification.proof is not None:
        sentence += f", from {iso(verification.valid_from)} until {iso(verification.valid_until)}"
    if len(verification.reasons) > 1:
        sentence += f"; reasons: {', '.join(verification.reasons)}"
    if enough is not None:
        sentence += "; enough for this gate" if enough else "; not enough for this gate"
    return sentence
