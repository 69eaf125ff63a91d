"""Whether the services, which run as their own user, may open the devices of the configuration.

The doctor itself often runs as root, who may open everything.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from gated.config import Camera, GateConfig
from gated.doctor.findings import Finding, error, ok, unknown
from gated.errors import DeviceNotFound
from gated.scanner.usb_cameras import find_usb_camera
from gated.serialport import find_device

PERMISSIONS = "permissions"
USER = "gated"
GROUPS: Mapping[str, frozenset[str]] = {
    "controller": frozenset({"gpio", "i2c", "dialout", "audio", "gated"}),
    "scanner": frozenset({"video", "dialout", "gated"}),
}
"""The groups that the units give their processes."""
_READ_WRITE = stat.S_IRGRP | stat.S_IWGRP
_EVERYBODY = stat.S_IROTH | stat.S_IWOTH


def nodes_of(config: GateConfig) -> Iterator[tuple[str, str]]:
    """Yield (service, device) of everything that is opened by a path, as it is configured."""
    temperature = config.temperature
    spots = temperature.thermometers
    on_a_bus = (*spots, *(s.distance for s in spots), temperature.ambient, temperature.reference)
    for bus in sorted({device.bus for device in on_a_bus if device is not None}):
        yield "controller", bus
    if config.outputs.lines() or config.inputs.lines():
        for chip in sorted(Path("/dev").glob("gpiochip*")):
            yield "controller", str(chip)
    if config.outputs.relay.device is not None:
        yield "controller", config.outputs.relay.device
    if config.scanner.camera is Camera.V4L2:
        yield "scanner", config.scanner.device
    if config.scanner.camera is Camera.AUTO:
        yield "scanner", find_usb_camera(config.scanner.device)
    for reader in config.scanner.serial:
        yield "scanner", reader.device


def closed_nodes(config: GateConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (service, device, its group and mode) where the service may not open the device."""
    for service, pattern in nodes_of(config):
        try:
            node = find_device(pattern)
            found = os.stat(node)  # noqa: PTH116 - a path from the configuration, links followed
        except (DeviceNotFound, OSError):
            continue  # what is missing is said elsewhere
        group = _group_name(found.st_gid)
        if not may_open(service, group, found.st_mode):
            yield service, node, f"{group} {stat.filemode(found.st_mode)}"


def may_open(service: str, group: str, mode: int) -> bool:
    """Return whether ``service`` may read and write a device of ``group`` with ``mode``."""
    if mode & _EVERYBODY == _EVERYBODY:
        return True
    return group in GROUPS[service] and mode & _READ_WRITE == _READ_WRITE


def services_user() -> int | None:
    """Return the id of the user that the services run as; None: they are not installed."""
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None


def may_judge(own: int, services: int | None) -> bool:
    """Return whether what this user may read and write says anything of the services."""
    return own in {0, services} or services is None


def look_at_permissions(config: GateConfig) -> Iterator[Finding]:
    """Yield which devices the services may not open."""
    if services_user() is None:
        yield unknown(
            PERMISSIONS,
            says=(
                f"没有用户 {USER}：未安装为服务，不知道谁来打开设备",
                f"there is no user {USER}: who will open the devices is not known",
            ),
        )
        return
    closed = list(closed_nodes(config))
    for service, node, shown in closed:
        yield error(
            PERMISSIONS,
            says=(
                f"gated-{service} 打不开 {node} ({shown})",
                f"gated-{service} may not open {node} ({shown})",
            ),
            mend=(
                "安装 60-gated.rules 后 sudo udevadm trigger，见 docs/systemd.md",
                "install 60-gated.rules, then sudo udevadm trigger: docs/systemd.md",
            ),
        )
    if not closed:
        yield ok(
            PERMISSIONS,
            says=(f"用户 {USER} 可打开各设备", f"the user {USER} may open the devices"),
        )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
