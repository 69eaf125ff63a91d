"""What is known of the certificates of a gate's uplink."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gated.config import GateConfig
from gated.controller.certificate_watch import own_pairs
from gated.errors import GatedError
from gated.mqtt.certificate_life import LifeStage
from gated.mqtt.certificates import Certificate, describe, read_certificates
from gated.mqtt.own_pairs import OwnPairs, Refusal, certificate_of

OWN, AUTHORITY, OTHER = "certificate", "CA", "file"
Text = tuple[str, str]  # 中文, English
STAGES: dict[LifeStage, Text] = {
    LifeStage.OK: ("有效", "in order"),
    LifeStage.RENEW_DUE: ("应更新", "to be renewed now"),
    LifeStage.WITHIN_30_DAYS: ("应更新，30 天内到期", "to be renewed now, ends within 30 days"),
    LifeStage.WITHIN_7_DAYS: ("应更新，7 天内到期", "to be renewed now, ends within 7 days"),
    LifeStage.WITHIN_1_DAY: ("应更新，1 天内到期", "to be renewed now, ends within a day"),
    LifeStage.EXPIRED: ("已过期", "has expired"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One certificate, and where it was found."""

    what: str
    file: Path
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is shown."""

    seen: tuple[Seen, ...]
    new: Certificate | None = None  # waits for its trial
    refusal: Refusal | None = None  # of the new one
    is_requested: bool = False


def pairs_of(config: GateConfig) -> OwnPairs:
    """Return where the gate's certificates are. Raises: GatedError: no TLS, or not for us."""
    pairs = own_pairs(config)
    if pairs is None:
        raise GatedError(
            "uplink.broker is mqtt://, which uses no certificates: write mqtts:// (未使用 TLS)"
        )
    try:
        is_hidden = pairs.folder.exists() and not os.access(pairs.folder, os.R_OK | os.X_OK)
    except PermissionError:
        is_hidden = True
    if is_hidden:
        raise GatedError(f"{pairs.folder} may not be read by this user: try sudo (请用 sudo)")
    return pairs


def facts_of_gate(config: GateConfig) -> Facts:
    """Return what the gate's uplink has. Raises: GatedError: a file cannot be used."""
    pairs = pairs_of(config)
    own, authorities = pairs.in_force().certificate, pairs.configured.ca
    seen = []
    if own is not None:
        seen.append(Seen(OWN, own, describe(read_certificates(own)[0])))
    if authorities is not None:
        found = read_certificates(authorities)
        seen += [Seen(AUTHORITY, authorities, describe(one)) for one in found]
    new = pairs.new()
    return Facts(
        tuple(seen),
        new=None if new is None else certificate_of(new),
        refusal=pairs.refusal(),
        is_requested=pairs.request_key.exists(),
    )


def facts_of_files(files: Sequence[Path]) -> Facts:
    """Return what is in ``files``. Raises: ConfigError."""
    return Facts(
        tuple(Seen(OTHER, file, describe(one)) for file in files for one in read_certificates(file))
    )
