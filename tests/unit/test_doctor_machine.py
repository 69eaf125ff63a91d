"""The doctor's checks of the machine: board, clock, storage, services, libraries."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gated.actuators.gpio import Gpio
from gated.clock import TIMESYNCD_SYNCHRONIZED, FakeClock, TimeQuality
from gated.config import parse_gate
from gated.doctor import board, nodes, services, storage, wall_clock
from gated.doctor.findings import Finding, Level
from gated.doctor.host import Answer, CannotLook, run_program
from gated.doctor.libraries import LIBRARIES, Library, load_all, mapped_file
from gated.ledger.room import RoomLimits
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod
from tests.config_texts import MINIMAL
from tests.doctor_host import CONFIG_TXT, PI4, PI5, STRICT_4, STRICT_5, host, told

CONFIG = parse_gate(MINIMAL, "test")
UNITS = Path(__file__).resolve().parents[2] / "systemd"


def one(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


# --- the board -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "files", "level"),
    [
        ("", {}, Level.OK),  # a laptop
        (PI4, {STRICT_4: "N\n"}, Level.OK),
        (PI4, {STRICT_4: "Y\n"}, Level.ERROR),
        (PI4, {STRICT_4.replace("persist_gpio_outputs", "strict_gpiod"): "Y\n"}, Level.OK),
        (PI5, {STRICT_5: "N\n", STRICT_4: "Y\n"}, Level.OK),  # the other chip has no header
        (PI5, {STRICT_5: "Y\n", STRICT_4: "N\n"}, Level.ERROR),
        (PI4, {}, Level.WARNING),
    ],
)
def test_whether_a_dead_processs_relay_is_let_go(
    model: str, files: dict[str, str], level: Level, tmp_path: Path
) -> None:
    finding = one(board.look_at_strict_gpiod(host(tmp_path, files, model=model)))
    assert finding.level is level
    assert level is Level.OK or "dtparam=strict_gpiod" in str(finding.mend)


@pytest.mark.parametrize(
    ("line", "text", "level"),
    [
        ("GPIO17", "gpio=17=op,dl\n", Level.OK),
        ("GPIO17", "", Level.WARNING),  # only the chip's weak pull
        ("GPIO4", "", Level.ERROR),  # pulled up: it clicks
        ("GPIO4", "gpio=4=op,dl\n", Level.OK),
        ("GPIO17", "gpio=17=op,dh\n", Level.ERROR),
        ("GPIO17", None, Level.WARNING),
    ],
)
def test_whether_the_relay_clicks_while_the_pi_starts(
    line: str, text: str | None, level: Level, tmp_path: Path
) -> None:
    config = parse_gate(MINIMAL.replace("GPIO17", line), "test")
    files = {} if text is None else {CONFIG_TXT: text}
    machine = host(tmp_path, files, model=PI4)
    finding = one(board.look_at_boot_pins(config, machine))
    assert finding.level is level
    assert level is Level.OK or f"gpio={line.removeprefix('GPIO')}=op,dl" in str(finding.mend)


def test_a_lamp_that_lights_at_start_is_only_doubtful(tmp_path: Path) -> None:
    lamps = 'lamps = { go = "GPIO5", wait = "GPIO23", code = "GPIO24" }\n[uplink]'
    config = parse_gate(MINIMAL.replace("[uplink]", lamps), "test")
    machine = host(tmp_path, {CONFIG_TXT: "gpio=17=op,dl"}, model=PI4)
    finding = one(board.look_at_boot_pins(config, machine))
    assert finding.level is Level.WARNING
    assert "outputs.lamps.go = GPIO5 is high" in finding.says[1]


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("throttled=0x0\n", Level.OK, "in order"),
        ("throttled=0x50000\n", Level.WARNING, "once since the Pi was started: under-voltage"),
        ("throttled=0x50005\n", Level.ERROR, "now: under-voltage"),
        ("throttled=0x80008\n", Level.WARNING, "now: it is too warm"),
    ],
)
def test_how_the_supply_is(answer: str, level: Level, words: str, tmp_path: Path) -> None:
    machine = host(tmp_path, model=PI4, says={"vcgencmd": answer})
    finding = one(board.look_at_power(machine))
    assert (finding.level, words in finding.says[1]) == (level, True)


def test_the_kernels_own_file_is_asked_before_a_program(tmp_path: Path) -> None:
    machine = host(tmp_path, {board.THROTTLED: "50005\n"}, model=PI4)
    assert one(board.look_at_power(machine)).level is Level.ERROR


def test_a_firmware_that_says_nothing_is_not_known(tmp_path: Path) -> None:
    machine = host(tmp_path, model=PI4, says={"vcgencmd": "VCHI initialization failed\n"})
    with pytest.raises(CannotLook, match="VCHI initialization failed"):
        list(board.look_at_power(machine))


def chip(label: str) -> Gpio:
    return SimulatedGpiod(SimulatedChip(label, ("GPIO17",), FakeClock())).gpio()


def test_the_gpio_chip_is_found_by_its_label() -> None:
    assert one(board.look_at_chip(CONFIG, chip("pinctrl-rp1"))).level is Level.OK
    finding = one(board.look_at_chip(CONFIG, chip("gpio-brcmstb@107d508500")))
    assert finding.level is Level.ERROR
    assert 'labelled "pinctrl-*", only /dev/gpiochip0 gpio-brcmstb' in finding.says[1]


# --- the clock -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("year", "is_set", "is_told", "level"),
    [
        (2027, True, None, Level.OK),
        (2027, False, None, Level.WARNING),
        (1970, True, None, Level.ERROR),
        (2027, True, TimeQuality.UNKNOWN, Level.ERROR),  # the controller knows the newest record
    ],
)
def test_how_far_the_clock_is_believed(
    year: int, is_set: bool, is_told: TimeQuality | None, level: Level, tmp_path: Path
) -> None:
    files = {str(TIMESYNCD_SYNCHRONIZED).lstrip("/"): ""} if is_set else {}
    clock = FakeClock(wall=datetime(year, 1, 2, tzinfo=UTC))
    looked = wall_clock.look_at_clock(CONFIG, host(tmp_path, files), clock, is_told)
    finding = one(looked)
    assert finding.level is level
    assert level is Level.OK or "timedatectl set-time" in str(finding.mend)


def test_a_clock_chip_is_named(tmp_path: Path) -> None:
    assert one(wall_clock.look_at_battery(host(tmp_path))).level is Level.WARNING
    machine = host(tmp_path, {f"{wall_clock.RTC}/name": "rtc-ds1307 1-0068\n"})
    assert "rtc-ds1307" in one(wall_clock.look_at_battery(machine)).says[1]


# --- storage -------------------------------------------------------------------------------------


def at(state: Path) -> object:
    return CONFIG.paths.model_copy(update={"state": state})


def test_the_state_folder_on_an_overlay_is_an_error(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"paths": at(tmp_path / "not yet there")})
    overlay = "22 1 0:20 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data\n"
    finding = one(storage.look_at_state(config, host(tmp_path, {storage.MOUNTINFO: overlay})))
    assert finding.level is Level.ERROR
    assert "gone after a restart" in finding.says[1]
    card = "25 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n"
    kept = one(storage.look_at_state(config, host(tmp_path, {storage.MOUNTINFO: card})))
    assert kept.level is Level.OK


def test_ballast_that_was_given_up_is_doubtful(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"paths": at(tmp_path)})
    assert one(storage.look_at_ballast(config)).level is Level.OK  # nothing there yet
    (tmp_path / storage.LEDGER).touch()
    assert one(storage.look_at_ballast(config)).level is Level.WARNING
    ballast = tmp_path / "ledger.ballast"
    ballast.write_bytes(bytes(10))
    assert one(storage.look_at_ballast(config)).level is Level.WARNING
    ballast.write_bytes(bytes(RoomLimits().ballast_bytes))
    assert one(storage.look_at_ballast(config)).level is Level.OK


def test_too_little_room_is_an_error(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"paths": at(tmp_path)})
    assert one(storage.look_at_disk(config)).level is not Level.ERROR
    greedy = config.ledger.model_copy(update={"min_free_mb": 10**9})
    finding = one(storage.look_at_disk(config.model_copy(update={"ledger": greedy})))
    assert (finding.level, "nobody enters" in str(finding.mend)) == (Level.ERROR, True)


# --- services ------------------------------------------------------------------------------------

SHOWN = """\
WatchdogUSec=10s
Result=success
Id=gated-controller.service
LoadState=loaded
ActiveState=active
StatusText=

WatchdogUSec=10s
Result=exit-code
Id=gated-scanner.service
LoadState=loaded
ActiveState=failed
StatusText=

WatchdogUSec=infinity
Result=success
Id=gated-uplink.service
LoadState=not-found
ActiveState=inactive
StatusText=
"""


def test_what_systemd_says_of_the_units(tmp_path: Path) -> None:
    machine = host(tmp_path, {f"{services.RUNS_HERE}/x": ""}, says={"systemctl": SHOWN})
    assert told(services.look_at_units(machine)) == [
        (Level.OK, "gated-controller.service: active, watchdog 10s"),
        (
            Level.ERROR,
            "gated-scanner.service has failed (exit-code) | journalctl -u gated-scanner.service",
        ),
        (Level.WARNING, "gated-uplink.service is not installed | see docs/systemd.md"),
    ]


# As systemd 252 shows a unit that ends 1.5 s after each start: what it said stands there for the
# second before the next one.
STARTS = (
    "Id=gated-scanner.service\nLoadState=loaded\nActiveState=activating\nSubState=start\n"
    "NRestarts=3\nResult=success\nWatchdogUSec=10s\nStatusText=\n"
)
WAITS = (
    STARTS.replace("=start\n", "=auto-restart\n")
    .replace("=success", "=exit-code")
    .replace("StatusText=", "StatusText=another scanner process serves this gate")
)


def test_a_unit_that_is_tried_again_and_again_is_listened_to(tmp_path: Path) -> None:
    says = {"systemctl": STARTS}
    machine = host(tmp_path, {f"{services.RUNS_HERE}/x": ""}, says=says)
    paused: list[float] = []

    def pause(for_s: float) -> None:
        paused.append(for_s)
        if len(paused) == 4:
            says["systemctl"] = WAITS

    assert told(services.look_at_units(machine, pause)) == [
        (
            Level.ERROR,
            (
                "gated-scanner.service does not start, and is tried again and again (exit-code): "
                "another scanner process serves this gate | journalctl -u gated-scanner.service"
            ),
        )
    ]
    assert len(paused) == 4
    says["systemctl"] = STARTS
    finding = one(services.look_at_units(machine, paused.append))
    assert finding.level is Level.ERROR, "it says nothing, and does not start all the same"
    assert len(paused) == 4 + services.LISTENS
    assert 3 * services.LISTENS * services.LISTENS_EVERY_S < services.UNITS_WITHIN_S


def test_a_unit_that_starts_for_the_first_time_is_let_start(tmp_path: Path) -> None:
    first = STARTS.replace("NRestarts=3", "NRestarts=0")
    machine = host(tmp_path, {f"{services.RUNS_HERE}/x": ""}, says={"systemctl": first})
    assert one(services.look_at_units(machine, lambda _: None)).level is Level.OK


def test_a_unit_without_a_watchdog_is_an_error(tmp_path: Path) -> None:
    shown = SHOWN.split("\n\n", maxsplit=1)[0].replace("10s", "infinity")
    machine = host(tmp_path, {f"{services.RUNS_HERE}/x": ""}, says={"systemctl": shown})
    assert one(services.look_at_units(machine)).level is Level.ERROR


@pytest.mark.parametrize(
    ("device", "value", "level"),
    [
        (True, "14s", Level.OK),
        (True, "0", Level.ERROR),
        (True, "infinity", Level.ERROR),
        (False, "14s", Level.WARNING),
    ],
)
def test_whether_the_hardware_watchdog_is_armed(
    device: bool, value: str, level: Level, tmp_path: Path
) -> None:
    files = {f"{services.RUNS_HERE}/x": ""} | ({services.WATCHDOG_DEVICE: ""} if device else {})
    says = {"systemctl": f"RuntimeWatchdogUSec={value}\n"}
    assert one(services.look_at_watchdog(host(tmp_path, files, says=says))).level is level


def test_without_systemd_nothing_is_known_of_services(tmp_path: Path) -> None:
    machine = host(tmp_path)
    assert one(services.look_at_watchdog(machine)).level is Level.UNKNOWN
    assert one(services.look_at_sandboxes(machine)).level is Level.UNKNOWN
    assert list(services.look_at_units(machine)) == []  # it is said once


def test_the_shipped_units_keep_what_was_promised_and_a_looser_one_is_seen(
    tmp_path: Path,
) -> None:
    files = {}
    for unit in UNITS.glob("gated-*.service"):
        text = unit.read_text(encoding="utf-8")
        files[f"etc/systemd/system/{unit.name}"] = text
    uplink = "etc/systemd/system/gated-uplink.service"
    machine = replace(host(tmp_path, files), run=run_program)
    try:
        run_program(["systemd-analyze", "--version"])
    except CannotLook as exc:
        pytest.skip(str(exc))
    assert {f.level for f in services.look_at_sandboxes(machine)} == {Level.OK}
    lines = files[uplink].replace("NoNewPrivileges=yes", "").replace("ProtectSystem=strict", "")
    (tmp_path / uplink).write_text(lines.replace("PrivateDevices=yes", ""), encoding="utf-8")
    assert [f.subject for f in services.look_at_sandboxes(machine) if f.level is Level.WARNING] == [
        "sandbox_uplink"
    ]


# --- permissions, programs, libraries ------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "group", "mode", "may"),
    [
        ("controller", "i2c", 0o20660, True),
        ("controller", "root", 0o20660, False),
        ("controller", "i2c", 0o20640, False),
        ("scanner", "gpio", 0o20660, False),
        ("scanner", "root", 0o20666, True),
    ],
)
def test_who_may_open_a_device(service: str, group: str, mode: int, may: bool) -> None:
    assert nodes.may_open(service, group, mode) is may


@pytest.fixture
def device() -> Iterator[Path]:
    """A device that only root may open, at a place that a configuration may name."""
    folder = Path(tempfile.mkdtemp(prefix="gated-", dir="/dev/shm"))
    (folder / "usb-1a86-if00").touch(mode=0o600)
    yield folder / "usb-1a86-if00"
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "scanner",
    [
        'camera = "auto"\ndevice = "DEVICE"',
        'camera = "v4l2"\ndevice = "DEVICE"',
        'camera = "none"\nserial = [{ name = "paper", device = "DEVICE" }]',
        'camera = "none"\nserial = [{ name = "paper", device = "FOLDER/usb-*" }]',
    ],
)
def test_a_device_that_is_closed_to_its_service_is_found_however_it_is_named(
    scanner: str, device: Path
) -> None:
    keys = scanner.replace("DEVICE", str(device)).replace("FOLDER", str(device.parent))
    config = parse_gate(MINIMAL.replace('camera = "v4l2"', keys), "test")

    def closed_to_scanner() -> list[tuple[str, str, str]]:
        return [found for found in nodes.closed_nodes(config) if found[0] == "scanner"]

    assert closed_to_scanner() == [("scanner", str(device), f"{device.group()} -rw-------")]
    device.chmod(0o666)
    assert closed_to_scanner() == []
    device.unlink()  # what is missing is said elsewhere
    assert closed_to_scanner() == []


@pytest.mark.parametrize(
    ("own", "services_user", "may"),
    [(0, 990, True), (990, 990, True), (1000, 990, False), (1000, None, True)],
)
def test_who_can_tell_what_a_start_would_meet(
    own: int, services_user: int | None, may: bool
) -> None:
    assert nodes.may_judge(own, services_user) is may


@pytest.mark.parametrize("service", ["controller", "scanner"])
def test_the_groups_are_those_of_the_units(service: str) -> None:
    text = (UNITS / f"gated-{service}.service").read_text(encoding="utf-8")
    named = {
        group
        for line in text.splitlines()
        if line.startswith(("Group=", "SupplementaryGroups="))
        for group in line.partition("=")[2].split()
    }
    assert nodes.GROUPS[service] == named


def test_a_program_that_is_not_there_is_said() -> None:
    with pytest.raises(CannotLook, match="this machine has no gated-no-such-program"):
        run_program(["gated-no-such-program"])
    assert run_program([sys.executable, "-c", "print(7)"]) == Answer(0, "7\n")


def test_the_file_of_a_library_is_read_from_the_kernels_map() -> None:
    maps = (
        "7f00-7f10 r--p 00000000 fe:00 123 /usr/lib/libzbar.so.0.3.0\n"
        "7f10-7f20 rw-p 00000000 00:00 0\n"
        "7f20-7f30 r-xp 00000000 fe:00 124 /opt/my libs/libssl.so.3\n"
    )
    assert mapped_file(maps, "libzbar") == "/usr/lib/libzbar.so.0.3.0"
    assert mapped_file(maps, "libssl") == "/opt/my libs/libssl.so.3"
    assert mapped_file(maps, "libgpiod") == ""


def test_a_library_that_kills_its_process_keeps_the_others_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "built_for_another.py").write_text("import os; os.abort()", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    deadly = Library("deadly", "built_for_another", "", lambda _: True, "")
    gone = Library("gone", "no_such_module", "", lambda _: True, "")
    first, second, third = load_all([deadly, gone, LIBRARIES[0]])
    assert "SIGABRT" in first.trouble
    assert "no_such_module" in second.trouble
    assert (third.name, third.trouble, third.version != "") == ("sqlite", "", True)
