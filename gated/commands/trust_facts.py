"""What a trust folder allows, in words: for ``gated trust``. Pure but for reading the folder."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gated.commands.verify import iso
from gated.config import GateConfig
from gated.controller.pushed_trust import read_pushed
from gated.credentials.trust import KeyFile, key_files, read_key_file
from gated.credentials.trusted_keys import (
    CERTIFICATE_USES,
    USE_ANY_PASS,
    USE_ATTENDANT,
    USE_COMMANDS,
    USE_CONFIG,
    USE_REVOCATIONS,
    USE_TRUST,
    USE_WECOM,
    TrustedKey,
    TrustList,
)
from gated.errors import ConfigError
from gated.texts import CATEGORIES, Pair

EXPIRES_SOON_D = 30
_PASSES = "GP1"
_FILES_NAMED = 5
_SHOWN_ID_BYTES = 16
_BETWEEN = "  "

USES: dict[str, Pair] = {
    USE_ANY_PASS: (
        "签发本校(村)所有通行证，包括教职工证和值守证，以及作废名单",
        "sign every pass of this site, staff and attendant cards too, and revocation lists",
    ),
    **{
        f"{_PASSES}/{category}": (f"签发“{zh}”类通行证", f'sign passes of the category "{en}"')
        for category, (zh, en) in CATEGORIES.items()
    },
    USE_ATTENDANT: (
        "把允许类别的通行证签为值守证",
        "make the passes of their categories attendant cards",
    ),
    USE_WECOM: ("签发企业微信码", "sign WeCom codes"),
    USE_REVOCATIONS: ("签发作废名单", "sign revocation lists"),
    USE_CONFIG: (
        "连同远程命令，还能更改闸机配置",
        "change, with such commands, the configuration of the gate too",
    ),
    USE_TRUST: (
        "连同远程命令，还能增减通行证、名单和健康证明的公钥",
        "add and remove, with such commands, keys of passes, lists and certificates",
    ),
    USE_COMMANDS: (
        "远程命令闸机：开闸、切换模式",
        "command the gate from afar: open it, set its mode",
    ),
    "HC1": ("签发健康证明 HC1(欧盟、世卫组织)", "sign health certificates HC1 (EU, WHO)"),
    "NZCP": ("签发健康证明 NZCP(新西兰)", "sign health certificates NZCP (New Zealand)"),
    "SHC": ("签发健康证明 SHC(SMART)", "sign health certificates SHC (SMART Health Cards)"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of ``check``; ``is_fault``: somebody has something to do."""

    zh: str
    en: str
    is_fault: bool = True


def read_folder(folder: Path) -> tuple[KeyFile, ...]:
    """Return what each file of a trust folder holds. Raises: ConfigError: it cannot be read."""
    try:
        return tuple(read_key_file(path) for path in key_files(folder))
    except OSError as exc:
        raise ConfigError(
            f"trust folder {folder}: cannot be read ({exc.strerror}); name it with --trust, or in "
            "the configuration (无法读取信任目录)"
        ) from exc


def read_all(folder: Path, config: GateConfig | None, now: datetime) -> tuple[KeyFile, ...]:
    """Return the same, and behind it what the centre has pushed to the gate of ``config``."""
    files = read_folder(folder)
    if config is None:
        return files
    return (*files, *read_pushed(config, TrustList.of(keys_of(files)), now))


def keys_of(files: Iterable[KeyFile]) -> list[TrustedKey]:
    return [key for file in files for key in file.keys]


def uses_of(key: TrustedKey) -> frozenset[str]:
    """Return everything that a key may sign; one whose file does not say signs certificates."""
    if key.uses is not None:
        return key.uses
    return frozenset(use for use in CERTIFICATE_USES if key.may_sign_certificate(use))


def signs_passes(key: TrustedKey) -> bool:
    return any(use.startswith(_PASSES) and use != USE_ATTENDANT for use in uses_of(key))


def kind_of(key: TrustedKey) -> str:
    """Return the kind of key, as in Ed25519, P-256, RSA 2048."""
    if isinstance(key.key, Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key.key, rsa.RSAPublicKey):
        return f"RSA {key.key.key_size}"
    return "P-256"


def days_left(key: TrustedKey, now: datetime) -> int | None:
    """Return whole days until the key's certificate ends, negative afterwards; None: no end."""
    return None if key.valid_until is None else (key.valid_until - now).days


def printable(text: str) -> str:
    """Return ``text`` as it may be written to a terminal: other people chose it."""
    return text if text.isprintable() else ascii(text)


def line_of(key: TrustedKey, now: datetime) -> str:
    """Return one line about a key."""
    ident = key.key_ids[0]
    shown = ident[:_SHOWN_ID_BYTES]
    more = "…" if len(ident) > _SHOWN_ID_BYTES else ""
    end = "no end 无期限"
    left = days_left(key, now)
    if key.valid_until is not None:
        state = f"{left} d left 剩余天数" if key.is_in_force(now) else "NOT IN FORCE 未生效或已过期"
        end = f"until {iso(key.valid_until)}, {state}"
    parts = [
        printable(key.source),
        f"{shown.hex()}{more} {base64.b64encode(shown).decode()}{more}",
        kind_of(key),
        ", ".join(sorted(uses_of(key))) or "nothing 无用途",
        end,
    ]
    if key.certifies is not None:
        parts.append("only 仅限 " + ", ".join(sorted(key.certifies)))
    if key.issuer is not None:
        parts.append(f"issuer 签发者 {printable(key.issuer)}")
    return _BETWEEN.join(parts)


def key_id_forms(key: TrustedKey) -> set[str]:
    """Return how people may name the key: its ids and fingerprint, in hex and base64."""
    forms: set[str] = set()
    for ident in (*key.key_ids, key.fingerprint):
        standard = base64.b64encode(ident).decode()
        urlsafe = base64.urlsafe_b64encode(ident).decode()
        forms |= {ident.hex(), standard, standard.rstrip("="), urlsafe, urlsafe.rstrip("=")}
        forms.add(ident.decode(errors="replace"))
    return forms


def allowed(keys: Sequence[TrustedKey]) -> list[Pair]:
    """Return one sentence for each thing that ``keys`` allow, in both languages."""
    sentences = []
    for use, (zh, en) in USES.items():
        able = [key for key in keys if use in uses_of(key)]
        if not able:
            continue
        names = list(dict.fromkeys(printable(key.source) for key in able))
        listed = ", ".join(names[:_FILES_NAMED]) + (" …" if len(names) > _FILES_NAMED else "")
        count = "1 key may" if len(able) == 1 else f"{len(able)} keys may"
        sentences.append((f"{len(able)} 个密钥可{zh}({listed})。", f"{count} {en} ({listed})."))
    return sentences


def faults_of(files: Sequence[KeyFile], now: datetime) -> list[Statement]:
    """Return what should be done about the files of a trust folder."""
    found = [
        Statement(f"{printable(file.name)}：有无法使用的内容", f"{printable(file.name)}: {problem}")
        for file in files
        for problem in file.problems
    ]
    for key in keys_of(files):
        found += _validity_faults(key, now)
    found += _twice(keys_of(files))
    if not any(signs_passes(key) and key.is_in_force(now) for key in keys_of(files)):
        found.append(
            Statement(
                "没有可签发通行证的密钥：本校(村)的通行证都不会被接受",
                "no key may sign passes: none of the site's own passes is accepted",
            )
        )
    return found


def _validity_faults(key: TrustedKey, now: datetime) -> list[Statement]:
    name, left = printable(key.source), days_left(key, now)
    if key.valid_from is not None and now < key.valid_from:
        return [Statement(f"{name}：证书尚未生效", f"{name}: its certificate is not yet valid")]
    if left is None or left > EXPIRES_SOON_D:
        return []
    if not key.is_in_force(now):
        return [
            Statement(
                f"{name}：证书已过期，请删除或更换",
                f"{name}: its certificate has expired; remove or replace it",
            )
        ]
    return [
        Statement(
            f"{name}：证书 {left} 天后过期，请向签发者索取新证书",
            f"{name}: its certificate expires in {left} days; ask its publisher for the next",
        )
    ]


def _twice(keys: Sequence[TrustedKey]) -> list[Statement]:
    by_fingerprint: dict[bytes, list[TrustedKey]] = {}
    for key in keys:
        by_fingerprint.setdefault(key.fingerprint, []).append(key)
    found = []
    for same in by_fingerprint.values():
        names = " + ".join(dict.fromkeys(printable(key.source) for key in same))
        if len({uses_of(key) for key in same}) > 1:
            found.append(
                Statement(
                    f"{names}：同一密钥的用途不一致，各处所写的用途都有效；请只保留一份",
                    f"{names}: the same key with different uses, all of which count; keep one",
                )
            )
        elif any(same[0].does_the_same_as(other) for other in same[1:]):
            found.append(
                Statement(
                    f"{names}：同一密钥重复，保留一份即可",
                    f"{names}: the same key more than once; one is enough",
                    is_fault=False,
                )
            )
    return found
