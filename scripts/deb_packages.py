"""The Debian packages of gated: what each is called, needs, contains and does when installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LIBRARY: Final = "usr/lib/gated"
FOR_ALL: Final = "all"
FOR_EACH: Final = "any"


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package: what its control file says, and which files of the source go where."""

    name: str
    architecture: str
    title: str
    description: tuple[str, ...]
    depends: tuple[str, ...]
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Maintainer script → the files in packaging/ that make it, one after the other."""

    files: Mapping[str, str] = field(default_factory=dict)
    """File or folder in the source → where it is installed."""

    links: Mapping[str, str] = field(default_factory=dict)
    """Symbolic link → what it points to."""


GATE_UNITS: Final = (
    "gated.target",
    "gated-controller.service",
    "gated-scanner.service",
    "gated-uplink.service",
)
SETUP_UNIT: Final = "gated-setup.service"
"""Runs once and ends: an update neither stops nor starts it."""
COLLECTOR_UNITS: Final = ("gated-collector.service",)
UNIT_FOLDER: Final = "usr/lib/systemd/system"

COMMON: Final = Package(
    "gated-common",
    FOR_EACH,
    "entry gate: the program 闸机程序",
    (
        "The program `gated` for gates and for their collector, with the libraries that",
        "the distribution does not have or has too old. It starts nothing by itself.",
    ),
    depends=(
        "python3 (>= 3.11~)",
        "python3 (<< 3.12~) | python3 (>= 3.13~)",
        "python3 (<< 3.14~)",
        "libc6 (>= @GLIBC@)",
        "libgcc-s1",
        "libstdc++6",
        "zlib1g",
        "systemd",
        "tzdata",
    ),
    recommends=("ca-certificates",),
    suggests=("python3-matplotlib",),
    units=(*GATE_UNITS, *COLLECTOR_UNITS),
    scripts={
        "prerm": ("prerm", "gated-common.prerm"),
        "postinst": ("gated-common.postinst",),
        "postrm": ("postrm", "gated-common.postrm"),
    },
    files={
        "packaging/pyvenv.cfg": f"{LIBRARY}/pyvenv.cfg",
        "packaging/gated": f"{LIBRARY}/bin/gated",
        "packaging/compile": f"{LIBRARY}/compile",
        "packaging/gated-common.rtupdate": "usr/share/python3/runtime.d/gated-common.rtupdate",
        "systemd/gated.sysusers": "usr/lib/sysusers.d/gated.conf",
        "systemd/gated.tmpfiles": "usr/lib/tmpfiles.d/gated.conf",
        "docs": "usr/share/doc/gated",
        "config": "usr/share/doc/gated/config",
    },
)
GATE: Final = Package(
    "gated",
    FOR_ALL,
    "entry gate: measures, verifies passes, loses nothing 无人值守闸机",
    (
        "An unattended gate for schools and villages: takes the temperature without",
        "contact, verifies a pass offline, decides, records, opens. Its services start",
        "when /etc/gated/gated.toml is there and they were enabled.",
    ),
    depends=(
        "gated-common (= @VERSION@)",
        "python3-numpy",
        "python3-opencv",
        "python3-serial (>= 3.5)",
        "libzbar0t64 | libzbar0",
        "libasound2t64 | libasound2",
        "udev",
        "procps",  # /bin/kill, for reloading
    ),
    recommends=("python3-picamera2",),
    suggests=("gated-collector", "mosquitto"),
    units=GATE_UNITS,
    scripts={
        "prerm": ("prerm",),
        "postinst": ("postinst",),
        "postrm": ("postrm", "gated.postrm"),
    },
    files={
        **{f"systemd/{unit}": f"{UNIT_FOLDER}/{unit}" for unit in (*GATE_UNITS, SETUP_UNIT)},
        "systemd/60-gated.rules": "usr/lib/udev/rules.d/60-gated.rules",
        "systemd/gated.modules": "usr/lib/modules-load.d/gated.conf",
    },
    # It looks for a setup file at each start, from the first one on, and does nothing without one.
    links={f"{UNIT_FOLDER}/multi-user.target.wants/{SETUP_UNIT}": f"../{SETUP_UNIT}"},
)
COLLECTOR: Final = Package(
    "gated-collector",
    FOR_ALL,
    "entry gates: the centre 闸机汇总端",
    (
        "Receives what gates record through an MQTT broker, stores, acknowledges and",
        "reports it, shows a page. It starts when /etc/gated/collector.toml is there and",
        "the service was enabled.",
    ),
    depends=("gated-common (= @VERSION@)",),
    suggests=("mosquitto", "postgresql"),
    units=COLLECTOR_UNITS,
    scripts={
        "prerm": ("prerm",),
        "postinst": ("postinst",),
        "postrm": ("postrm", "gated-collector.postrm"),
    },
    files={f"systemd/{unit}": f"{UNIT_FOLDER}/{unit}" for unit in COLLECTOR_UNITS},
)
PACKAGES: Final = (COMMON, GATE, COLLECTOR)
EXECUTABLE: Final = (f"{LIBRARY}/bin/gated", f"{LIBRARY}/compile")


def control(
    package: Package, version: str, architecture: str, maintainer: str, size_kib: int, glibc: str
) -> str:
    """Return the text of the control file."""

    def joined(names: Iterable[str]) -> str:
        return ", ".join(names).replace("@VERSION@", version).replace("@GLIBC@", glibc)

    lists = {"Recommends": package.recommends, "Suggests": package.suggests}
    lines = [
        f"Package: {package.name}",
        "Source: gated",
        f"Version: {version}",
        f"Architecture: {architecture}",
        f"Maintainer: {maintainer}",
        f"Installed-Size: {size_kib}",
        f"Depends: {joined(package.depends)}",
        *(f"{key}: {joined(names)}" for key, names in lists.items() if names),
        "Section: misc",
        "Priority: optional",
        f"Description: {package.title}",
        *(f" {line}" for line in package.description),
    ]
    return "\n".join(lines) + "\n"


def maintainer_script(package: Package, parts: Sequence[str], source: Path) -> str:
    """Return a maintainer script, made of files in packaging/."""
    text = "".join((source / "packaging" / part).read_text(encoding="utf-8") for part in parts)
    return text.replace("@UNITS@", " ".join(package.units))
