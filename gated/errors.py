"""The error tree: exceptions are for a machine that cannot do its job.

Every *outcome* (a refused pass, a cold face) is a value with a reason, never an exception.

    GatedError
    ├─ ConfigError            exit 78, never restarted
    ├─ DeviceError
    │  ├─ DeviceNotFound
    │  ├─ BusError (OSError)
    │  ├─ ChecksumError
    │  ├─ SensorFault
    │  └─ DeviceLost
    ├─ CameraHung             gated/scanner/camera_thread.py
    ├─ ActuationError
    ├─ UplinkError
    │  ├─ BrokerUnavailable
    │  └─ PublishRejected
    ├─ StorageError
    │  ├─ LedgerFull
    │  └─ LedgerCorrupt
    ├─ WireError (ValueError)
    └─ CannotWrite            what a command was to write: printed, exit 73

Adapters translate library exceptions at their boundary with ``raise … from exc``. One broad
``except`` exists, in ``gated/supervisor.py``.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of every command; the values follow sysexits(3)."""

    OK = 0
    FAILED = 1  # the command ran and its answer is "no"
    USAGE = 2
    UNAVAILABLE = 69  # a service or device that was asked for is not there
    INTERNAL = 70  # a defect of ours: traceback in the log
    CANNOT_WRITE = 73
    IO = 74
    CONFIG = 78  # systemd: RestartPreventExitStatus=78


class GatedError(Exception):
    """Root of our errors. The command line prints the message and exits with ``exit_code``."""

    exit_code: ExitCode = ExitCode.FAILED


class ConfigError(GatedError):
    """The configuration cannot be used. Handled by the command line: printed, exit 78."""

    exit_code = ExitCode.CONFIG


class DeviceError(GatedError):
    """Something with a wire failed. ``device`` names it as the configuration does."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, message: str, *, device: str = "") -> None:
        super().__init__(message)
        self.device = device


class DeviceNotFound(DeviceError):
    """No answer, or another chip, at open. Tried again with back-off; the gate stays shut."""


class WrongChip(DeviceNotFound):
    """Not the chip that the calibration was made with: refused until staff confirm it."""


class BusError(DeviceError, OSError):
    """Transient NACK, arbitration loss or time-out. Sampling discards the sample and counts it."""


class ChecksumError(DeviceError):
    """A PEC or CRC mismatch. Sampling discards the sample and counts it."""


class SensorFault(DeviceError):
    """The chip's error flag or an impossible value. Sampling discards the sample and counts it."""


class DeviceLost(DeviceError):
    """Several failures in a row. Its worker closes and reopens the device, and says so once."""


class ActuationError(DeviceError):
    """An output could not be driven or confirmed. The controller stays shut and raises an alarm."""


class UplinkError(GatedError):
    """The uplink could not do its job. Handled by the uplink's own loop."""

    exit_code = ExitCode.UNAVAILABLE


class BrokerUnavailable(UplinkError):
    """No connection. Retried for ever with capped back-off and jitter."""


class PublishRejected(UplinkError):
    """The broker refused a publish (reason code >= 0x80). Counted, alarmed, never a tight loop."""


class StorageError(GatedError):
    """A commit failed. The controller opens for nobody until one succeeds.

    The way out is never ours to shut.
    """

    exit_code = ExitCode.IO


class LedgerFull(StorageError):
    """The disk or the configured bound is full. The controller denies, beeps, raises an alarm."""


class LedgerCorrupt(StorageError):
    """The ledger file cannot be trusted. The ledger sets it aside and starts a new epoch."""


class WireError(GatedError, ValueError):
    """Bytes from the network that are not what they should be. The receiver quarantines them."""


class CannotWrite(GatedError):
    """A file that a command was asked for cannot be written. Handled by the command line."""

    exit_code = ExitCode.CANNOT_WRITE
