"""What the controller says of itself: ``status.json`` in the run folder, and health events."""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gated.clock import Clock
from gated.contents import HealthContent
from gated.controller.decider import DeciderItem, Record
from gated.errors import StorageError
from gated.ledger.reader import LedgerReader
from gated.messages import DeviceChanged
from gated.texts import MODES, device_lost
from gated.visit.state import LaneState

log = logging.getLogger(__name__)

STATUS_FILE = "status.json"
WRITE_EVERY_S = 1.0
HEALTH_EVERY_S = 900.0


class StatusWriter:
    """Writes the status once a second and a health event each quarter of an hour.

    Args:
        devices: names of all devices, so that a working one is said to be.
        chips: identity of each thermometer's chip, for its calibration.
        losses: why each lost device is.
        certificates: returns the uplink's certificates that somebody should renew.
        boot_nonce: returns what commands from the centre must quote; new at each start.
    """

    def __init__(  # noqa: PLR0913 - wiring: each is another source of the status
        self,
        run_folder: Path,
        state_folder: Path,
        devices: tuple[str, ...],
        clock: Clock,
        *,
        boot_nonce: Callable[[], str],
        chips: Callable[[], dict[str, str]],
        lane_state: Callable[[], LaneState],
        losses: Losses,
        certificates: Callable[[], Sequence[Mapping[str, str]]],
        publish: Callable[[DeciderItem], None],
    ) -> None:
        self._path = run_folder / STATUS_FILE
        self._state_folder = state_folder
        self._devices = devices
        self._clock = clock
        self._boot_nonce = boot_nonce
        self._chips = chips
        self._lane_state = lane_state
        self._losses = losses
        self._certificates = certificates
        self._publish = publish
        self._reader = LedgerReader(state_folder / "ledger.db")
        self._health_at_s = clock.monotonic_s() + HEALTH_EVERY_S
        self._is_failing = False

    def each_second(self) -> None:
        """Write the status; now and then publish a health event."""
        state = self._lane_state()
        devices = device_states(state, self._devices)
        status = {
            **status_words(state, devices, self._clock),
            "why": {n: self._losses.why(n) for n in sorted(state.lost)},
            "chips": self._chips(),
            "boot_nonce": self._boot_nonce(),
            "certificates": self._certificates(),
        }
        self._write(json.dumps(status).encode())
        if self._clock.monotonic_s() >= self._health_at_s:
            self._health_at_s = self._clock.monotonic_s() + HEALTH_EVERY_S
            self._publish(Record(self._health(devices)))

    def _write(self, status: bytes) -> None:
        """Write the status. A full disk costs its readers the news, not the gate its controller."""
        try:
            write_atomically(self._path, status)
        except StorageError as exc:
            if not self._is_failing:
                log.error("%s; the gate works on without it", exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def _health(self, devices: dict[str, str]) -> HealthContent:
        return HealthContent(
            devices=devices,
            backlog=self._reader.backlog(),
            rss_kb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            disk_free_kb=shutil.disk_usage(self._state_folder).free // 1_024,
        )

    def close(self) -> None:
        """Take the status away: a status that nobody renews is no status."""
        self._path.unlink(missing_ok=True)
        self._reader.close()


def device_states(state: LaneState, devices: tuple[str, ...]) -> dict[str, str]:
    """Return name → ok or lost, of ``devices`` and of whatever else is lost."""
    names = (*devices, *sorted(state.lost - set(devices)))
    return {n: "lost" if n in state.lost else "ok" for n in names}


def status_words(state: LaneState, devices: Mapping[str, str], clock: Clock) -> dict[str, object]:
    """Return what every status says."""
    return {
        "v": 1,
        "pid": os.getpid(),
        "boottime_ms": clock.boottime_ms(),
        "mode": state.mode.value,
        "drill": state.drill,
        "gate": _gate(state),
        "prompt": state.prompt.value,
        "time_quality": state.time_quality.value,
        "devices": devices,
        "threshold_c": state.lane.rules.temperature.fever_threshold_c,
        "rules": state.lane.rules.version,
        "visits": len(state.visits),
    }


class Losses:
    """Why each device is lost, as its worker said it. Heard from any thread."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}

    def hear(self, change: DeviceChanged) -> None:
        """Take what a worker says of its device."""
        self._why[change.device] = change.reason

    def why(self, device: str) -> str:
        """Return the reason; "" if nobody has told it yet."""
        return self._why.get(device, "")


def one_line(state: LaneState, losses: Losses) -> str:
    """Return the mode in both languages, and each lost device with the reason.

    The sentences of devices are English alone, as their adapters speak it.
    """
    zh, en = MODES[state.mode]
    if state.drill:
        zh, en = f"{zh}，演练", f"{en}, drill"
    lost = (device_lost(name, losses.why(name))[1] for name in sorted(state.lost))
    return " | ".join((f"{en} · {zh}", *lost))


def _gate(state: LaneState) -> str | None:
    """Return what the gate's contact says; None: there is none, or it has not spoken yet."""
    if not state.is_gate_known:
        return None
    return "shut" if state.gate is None else "open"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path``. Readers see the old or the new. Raises: StorageError."""
    new = path.with_suffix(".new")
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError as exc:
        raise StorageError(f"cannot write {path}: {exc.strerror}") from exc
