"""Whether a gate could start: what its processes load before anything else, all faults at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.controller.codes import load_code_rules
from gated.controller.pushed_trust import load_all_trust
from gated.credentials.persons import load_persons
from gated.credentials.pseudonym import load_site_key
from gated.credentials.revoked import load_revoked
from gated.durable import closed
from gated.errors import ConfigError, StorageError
from gated.ledger.files import check_folder
from gated.mqtt.address import broker_address
from gated.probe.findings import StartFindings


def look_at_start(config: GateConfig) -> StartFindings:
    """Return what a start with ``config`` would run into. Writes nothing."""
    faults = [*_refusals(config), *_closed_folders(config)]
    trust = load_all_trust(config, SystemClock().now())
    doubts = list(trust.problems)
    if not trust.keys and not doubts:
        doubts.append(
            f"trust folder {config.credentials.trust}: is empty, so no pass is accepted; copy "
            "the office's public key into it (没有公钥，任何码都不能通过)"
        )
    return StartFindings(tuple(faults), tuple(doubts))


def _refusals(config: GateConfig) -> Iterator[str]:
    """Yield what the files that ``config`` names are refused for."""
    files = config.credentials
    loads: list[Callable[[], object]] = [
        partial(load_site_key, files.site_key_file),
        partial(broker_address, config.uplink, config.client_id, config.mqtt_user),
    ]
    if files.persons_list_file is not None:
        loads.append(partial(load_persons, files.persons_list_file))
    if files.revocation_file is not None:
        loads.append(partial(load_revoked, files.revocation_file))
    # Last, and in one: whatever else the controller will load by then.
    loads.append(partial(load_code_rules, config, ZoneInfo(config.gate.timezone)))
    seen: set[str] = set()
    for load in loads:
        try:
            load()
        except ConfigError as exc:
            if str(exc) not in seen:
                seen.add(str(exc))
                yield str(exc)


def _closed_folders(config: GateConfig) -> Iterator[str]:
    """Yield which folders a gate could not write to. The run folder it makes itself."""
    try:
        check_folder(config.paths.state / "ledger.db")
    except StorageError as exc:
        yield str(exc)
    run = config.paths.run
    seen = (folder for folder in (run, *run.parents) if not _is_hidden(folder))
    there = next((folder for folder in seen if folder.exists()), run)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield closed(run)


def _is_hidden(folder: Path) -> bool:
    """Return whether this user cannot even see if there is such a folder."""
    try:
        folder.exists()
    except PermissionError:
        return True
    return False
