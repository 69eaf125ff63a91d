"""The systemd units: what they start exists, what they allow is what is needed and no more."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gated import cli
from gated.actuators.relay_off import SPEC_FILE, TAKE_WITHIN_S
from gated.clock import FakeClock
from gated.commands import collector as collector_command
from gated.config import CredentialSettings, PathSettings
from gated.config.collector import CollectorSettings
from gated.config.files import HANDED_OVER, NOT_THERE
from gated.config.load import DEFAULT_FILE
from gated.doctor.services import MOST_EXPOSED
from gated.errors import ExitCode
from gated.processes import START_S, TAKES_RELOAD, WATCHDOG_S, Children, gate_children
from gated.setup.boot import BOOT_FOLDERS, SETUP_FILE
from gated.supervisor import HEARTBEAT_STALE_S, STOP_GRACE_S

FOLDER = Path(__file__).resolve().parents[2] / "systemd"
PROGRAM = "/usr/lib/gated/bin/gated"
PYTHON = "/usr/lib/gated/bin/python"
STATE_ROOT, RUN_ROOT, CONFIG_ROOT = Path("/var/lib"), Path("/run"), Path("/etc")
GATE = ("controller", "scanner", "uplink")
ALL = (*GATE, "collector")
MOST_EXPOSED_AT_ALL = 1.5
"""Of any unit: `systemd-analyze security`, 0 is best."""
DEBIAN_GROUPS = {"audio", "dialout", "video", "root"}


class Unit(dict[str, list[str]]):
    """Key → its values in order. Sections are left out, for no key stands in two."""

    def __missing__(self, key: str) -> list[str]:
        return []


def read_unit(name: str) -> Unit:
    unit = Unit()
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, equals, value = line.partition("=")
            assert equals, line
            unit.setdefault(key, []).append(value)
    return unit


UNITS = {name: read_unit(f"gated-{name}.service") for name in ALL}
TARGET = read_unit("gated.target")
SETUP = read_unit("gated-setup.service")


def seconds(unit: Unit, key: str) -> float:
    (value,) = unit[key]
    return float(value)


# --- what is started -----------------------------------------------------------------------------


def test_there_is_one_unit_for_each_process_of_a_gate() -> None:
    children = Children(FakeClock())
    try:
        gate_children(children, DEFAULT_FILE, None)
        commands = {child.name: child.arguments for child in children._children}
    finally:
        children.stop()
    assert set(commands) == set(GATE)
    for name, arguments in commands.items():
        assert UNITS[name]["ExecStart"] == [" ".join((PROGRAM, *arguments))]


@pytest.mark.parametrize("name", ALL)
def test_every_unit_starts_a_command_that_exists_with_the_default_file(name: str) -> None:
    (line,) = UNITS[name]["ExecStart"]
    program, *arguments = line.split()
    assert program == PROGRAM
    assert arguments[0] == name
    parsed = cli.build_parser(name).parse_args(arguments)
    is_gate = name in GATE
    assert parsed.config == (DEFAULT_FILE if is_gate else collector_command.DEFAULT_FILE)


@pytest.mark.parametrize("name", ALL)
def test_every_process_is_started_again_for_ever_unless_its_file_is_wrong(name: str) -> None:
    unit = UNITS[name]
    assert unit["Restart"] == ["always"]
    assert unit["RestartSec"] == ["1"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["RestartPreventExitStatus"] == [str(int(ExitCode.CONFIG))]


@pytest.mark.parametrize("name", ALL)
def test_the_times_are_those_of_gated_run(name: str) -> None:
    unit = UNITS[name]
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert seconds(unit, "WatchdogSec") == WATCHDOG_S > HEARTBEAT_STALE_S
    assert seconds(unit, "TimeoutStartSec") == START_S
    assert seconds(unit, "TimeoutStopSec") > STOP_GRACE_S + TAKE_WITHIN_S


@pytest.mark.parametrize("name", ALL)
def test_no_process_waits_for_a_network_or_for_network_time(name: str) -> None:
    unit = UNITS[name]
    said = " ".join(v for key in ("After", "Wants", "Requires", "BindsTo") for v in unit[key])
    assert "time-set.target" in said.split()
    assert not {"time-sync.target", "network-online.target"} & set(said.split())
    assert not any(key in unit for key in ("Wants", "Requires", "BindsTo"))


def test_the_gate_is_set_up_before_it_starts_and_only_where_there_is_a_file_for_it() -> None:
    (line,) = SETUP["ExecStart"]
    program, *arguments = line.split()
    assert program == PROGRAM
    assert cli.build_parser("setup").parse_args(arguments).boot == []  # the default folders
    assert SETUP["ConditionPathExists"] == [f"|{folder / SETUP_FILE}" for folder in BOOT_FOLDERS]
    assert SETUP["Before"] == [" ".join(f"gated-{name}.service" for name in GATE)]
    assert SETUP["Type"] == ["oneshot"]
    assert "network-online.target" not in " ".join(SETUP["After"])


def test_the_target_takes_the_three_processes_along_and_leaves_the_collector_alone() -> None:
    assert TARGET["Also"] == [" ".join(f"gated-{name}.service" for name in GATE)]
    assert TARGET["WantedBy"] == ["multi-user.target"]
    for name in GATE:
        assert UNITS[name]["PartOf"] == ["gated.target"]
        assert UNITS[name]["WantedBy"] == ["gated.target"]
    assert "PartOf" not in UNITS["collector"]
    assert UNITS["collector"]["WantedBy"] == ["multi-user.target"]


def test_a_reload_reaches_exactly_the_processes_that_take_one() -> None:
    assert {name for name in ALL if "ExecReload" in UNITS[name]} == TAKES_RELOAD
    for name in TAKES_RELOAD:
        assert UNITS[name]["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
        assert UNITS[name]["ReloadPropagatedFrom"] == ["gated.target"]
    assert not any("ReloadPropagatedFrom" in UNITS[name] for name in set(ALL) - TAKES_RELOAD)


# --- the relay -----------------------------------------------------------------------------------


def test_however_the_controller_ended_its_relay_is_switched_off() -> None:
    (line,) = UNITS["controller"]["ExecStopPost"]
    program, isolated, module_flag, module, spec_file = line.split()
    assert (program, isolated, module_flag) == (PYTHON, "-I", "-m")  # nobody's environment, no cwd
    assert importlib.util.find_spec(module) is not None
    assert Path(spec_file) == PathSettings().run / SPEC_FILE
    assert not any("ExecStopPost" in UNITS[name] for name in set(ALL) - {"controller"})


def test_the_relays_guard_hears_sigterm_and_is_not_killed_unheard() -> None:
    assert UNITS["controller"]["KillMode"] == ["control-group"]


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_run_as_root(name: str) -> None:
    for key, values in UNITS[name].items():
        if key.startswith("Exec"):
            assert all(value.startswith("/") for value in values), key  # no "+", "!", "-"
    assert UNITS[name]["User"] == UNITS[name]["Group"]
    assert UNITS[name]["User"] == ["gated-collector" if name == "collector" else "gated"]


# --- folders -------------------------------------------------------------------------------------


def test_the_folders_are_the_configurations_defaults() -> None:
    paths = PathSettings()
    for name in GATE:
        unit = UNITS[name]
        assert RUN_ROOT / unit["RuntimeDirectory"][0] == paths.run
        # One unit's stop must not take the folder with the others' sockets away.
        assert unit["RuntimeDirectoryPreserve"] == ["yes"]
        assert CONFIG_ROOT / unit["ConfigurationDirectory"][0] == DEFAULT_FILE.parent
    for name in ("controller", "uplink"):
        assert STATE_ROOT / UNITS[name]["StateDirectory"][0] == paths.state
    collector = CollectorSettings(name="centre", broker="mqtt://127.0.0.1")
    assert STATE_ROOT / UNITS["collector"]["StateDirectory"][0] == Path(collector.database).parent


def test_what_strangers_reach_sees_neither_the_ledger_nor_the_secrets() -> None:
    site_key = CredentialSettings().site_key_file
    hidden = {n: UNITS[n]["InaccessiblePaths"][0].split() for n in ("scanner", "uplink")}
    assert f"-{site_key}" in hidden["uplink"]
    assert {f"-{site_key}", f"-{PathSettings().state}"} <= set(hidden["scanner"])
    assert "StateDirectory" not in UNITS["scanner"]


# --- one sandbox per trust domain ----------------------------------------------------------------


DEVICES = {
    "controller": {"gpiochip", "i2c", "ttyUSB", "ttyACM", "alsa"},
    "scanner": {"video4linux", "media", "dma_heap", "ttyUSB", "ttyACM", "ttyAMA", "ttyS"},
    "uplink": set(),
    "collector": set(),
}
GROUPS = {
    "controller": {"gpio", "i2c", "dialout", "audio"},
    "scanner": {"video", "dialout"},
    "uplink": set(),
    "collector": set(),
}


@pytest.mark.parametrize("name", ALL)
def test_each_process_has_its_own_devices_and_no_others(name: str) -> None:
    unit = UNITS[name]
    assert unit["DevicePolicy"] == ["closed"]
    assert set(unit["DeviceAllow"]) == {f"char-{device} rw" for device in DEVICES[name]}
    assert {g for value in unit["SupplementaryGroups"] for g in value.split()} == GROUPS[name]
    assert unit["PrivateDevices"] == ([] if DEVICES[name] else ["yes"])


COME_WITH = {
    "ttyUSB": "usbserial",
    "ttyACM": "cdc_acm",
    "video4linux": "videodev",
    "media": "videodev",
    "alsa": "snd",
    "i2c": "i2c-dev",
}
"""Kind of device → the driver that makes the kernel know it (/proc/devices)."""
ALWAYS_KNOWN = {"gpiochip", "dma_heap", "ttyAMA", "ttyS"}
"""Built into every kernel that a gate may have."""


def test_every_kind_of_device_is_known_to_the_kernel_before_a_unit_starts() -> None:
    # systemd.resource-control(5): what is not at the start of a unit is not added to its list.
    text = (FOLDER / "gated.modules").read_text(encoding="utf-8")
    loaded = {line for line in text.splitlines() if line and not line.startswith("#")}
    allowed = set().union(*DEVICES.values())
    assert loaded == {COME_WITH[kind] for kind in allowed - ALWAYS_KNOWN}


@pytest.mark.parametrize("name", ALL)
def test_whoever_has_devices_has_no_network_and_the_other_way_round(name: str) -> None:
    unit = UNITS[name]
    families = set(unit["RestrictAddressFamilies"][0].split())
    if DEVICES[name]:
        assert unit["PrivateNetwork"] == ["yes"]
        assert unit["IPAddressDeny"] == ["any"]
        assert not families & {"AF_INET", "AF_INET6"}
    else:
        assert families == {"AF_UNIX", "AF_INET", "AF_INET6"}


ITS_OWN = re.compile(
    r"Description|Documentation|After|LoadCredential|SetCredential|ConditionPathExists|PartOf|ReloadPropagatedFrom|WantedBy"
    r"|Exec\w+|KillMode|User|Group|SupplementaryGroups|\w+Directory(Mode|Preserve)?|InaccessiblePaths|Device\w+"
    r"|PrivateDevices|PrivateNetwork|IPAddress\w+|RestrictAddressFamilies|ProcSubset|MemoryMax"
    r"|TasksMax|OOMScoreAdjust|Nice"
)


def test_everything_else_is_the_same_in_all_units() -> None:
    shared = {
        name: {key: values for key, values in unit.items() if not ITS_OWN.fullmatch(key)}
        for name, unit in UNITS.items()
    }
    assert all(keys == shared["controller"] for keys in shared.values())
    assert shared["controller"]["LimitCORE"] == ["0"]  # a core file would hold the site key
    assert len(shared["controller"]) > 30


def test_what_talks_to_the_broker_gives_way_to_what_serves_people() -> None:
    given_way = {name: unit["Nice"] for name, unit in UNITS.items() if unit["Nice"]}
    assert given_way == {"uplink": ["10"]}


# --- users, groups, modes ------------------------------------------------------------------------


def test_every_user_and_group_that_is_named_is_made_or_debians_own() -> None:
    made = set(DEBIAN_GROUPS)
    for line in (FOLDER / "gated.sysusers").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            made.add(line.split()[1])
    named = {n for unit in UNITS.values() for n in (*unit["User"], *unit["Group"])}
    named |= {group for groups in GROUPS.values() for group in groups}
    rules = (FOLDER / "60-gated.rules").read_text(encoding="utf-8")
    named |= set(re.findall(r'^[^#\n]*GROUP="(\w+)"', rules, flags=re.MULTILINE))
    for line in (FOLDER / "gated.tmpfiles").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            named |= set(line.split()[3:5])
    assert named <= made


SECRETS = {
    "controller": {"site.key"},
    "scanner": set(),
    "uplink": {"mqtt.password", "gate.key", "verifier.key"},
    "collector": {
        *("mqtt.password", "collector.key", "gates-ca.key"),
        *("database.password", "page.token", "webhook.secret"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_each_process_is_handed_its_own_secrets_whether_or_not_they_are_there(name: str) -> None:
    unit = UNITS[name]
    assert set(unit["LoadCredential"]) == {f"{s}:{HANDED_OVER}/{s}" for s in SECRETS[name]}
    # without the default a file that is not there would keep the unit from starting
    assert set(unit["SetCredential"]) == {f"{s}:{NOT_THERE.decode()}" for s in SECRETS[name]}


def test_secrets_are_roots_alone() -> None:
    assert DEFAULT_FILE.parent == collector_command.DEFAULT_FILE.parent == HANDED_OVER
    assert CredentialSettings().site_key_file == HANDED_OVER / "site.key"
    lines = (FOLDER / "gated.tmpfiles").read_text(encoding="utf-8").splitlines()
    made = {f[1]: f[2:5] for f in map(str.split, lines) if f and f[0] == "z"}
    assert set(made) == {f"{HANDED_OVER}/{s}" for names in SECRETS.values() for s in names}
    assert all(mode == ["0600", "root", "root"] for mode in made.values())


# --- systemd's own opinion -----------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with the units, their programs replaced by one that every machine has."""
    for name in ("gated.target", *(file.name for file in FOLDER.glob("*.service"))):
        text = (FOLDER / name).read_text(encoding="utf-8")
        for program in (PROGRAM, PYTHON, "/bin/kill"):
            text = text.replace(program, "/bin/true")
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        # A colon at the end: systemd's own units stay known beside ours.
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_finds_nothing_wrong_with_any_unit(installed: Path) -> None:
    files = [str(file) for file in sorted(installed.iterdir())]
    verdict = analyze(installed, "verify", *files)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def test_systemd_finds_what_is_wrong(installed: Path) -> None:
    unit = installed / "gated-uplink.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("LimitCORE", "LimitCOR"))
    assert "LimitCOR" in analyze(installed, "verify", str(unit)).stderr


@pytest.mark.parametrize("file", [file.name for file in sorted(FOLDER.glob("*.service"))])
def test_every_sandbox_is_as_tight_as_was_promised(file: str, installed: Path) -> None:
    unit = installed / file
    name = unit.stem.removeprefix("gated-")
    threshold = round(MOST_EXPOSED.get(name, MOST_EXPOSED_AT_ALL) * 10)
    judged = analyze(installed, "security", "--offline=true", f"--threshold={threshold}", str(unit))
    assert judged.returncode == 0, judged.stdout
    assert "Overall exposure level" in judged.stdout


def test_whoever_has_no_network_is_rated_one_at_most() -> None:
    assert {MOST_EXPOSED[name] for name in ("controller", "scanner")} == {1.0}
    assert set(MOST_EXPOSED.values()) <= {1.0, MOST_EXPOSED_AT_ALL}


def test_users_groups_and_folders_are_made_as_they_are_written(tmp_path: Path) -> None:
    """By systemd's own tools, in a root of the test's own."""
    for tool in ("systemd-sysusers", "systemd-tmpfiles"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt install systemd")
    if os.geteuid() != 0:
        pytest.skip("folders that belong to somebody else are made by root alone")
    secret = tmp_path / "etc/gated/site.key"
    secret.parent.mkdir(parents=True)
    secret.touch(mode=0o666)
    _run_tool("systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "gated.sysusers"))
    said = _run_tool(
        "systemd-tmpfiles", f"--root={tmp_path}", "--create", str(FOLDER / "gated.tmpfiles")
    )
    assert said == ""
    users, groups = _numbers(tmp_path / "etc/passwd"), _numbers(tmp_path / "etc/group")
    assert {"gated", "gated-collector"} <= set(users)
    assert {"gpio", "i2c"} <= set(groups)
    stat = secret.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (0, 0, 0o600)
    run = (tmp_path / "run/gated").stat()
    assert (run.st_uid, run.st_mode & 0o777) == (users["gated"], 0o750)


def test_udev_understands_the_rules() -> None:
    udevadm = shutil.which("udevadm", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if udevadm is None:
        pytest.skip("udevadm is not installed: apt install udev")
    if "verify" not in _run_tool(udevadm, "--help"):
        pytest.skip("this udevadm cannot verify rules: systemd 254 or newer can")
    _run_tool(udevadm, "verify", "--resolve-names=never", str(FOLDER / "60-gated.rules"))


def _run_tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _numbers(file: Path) -> dict[str, int]:
    rows = [line.split(":") for line in file.read_text(encoding="utf-8").splitlines()]
    return {row[0]: int(row[2]) for row in rows}


# --- the page ------------------------------------------------------------------------------------


def test_the_page_has_the_files_and_the_figures() -> None:
    page = (FOLDER.parent / "docs/systemd.md").read_text(encoding="utf-8")
    assert [f.name for f in FOLDER.iterdir() if not _is_installed_by(page, f.name)] == []
    words = " ".join(page.split())
    assert f"has beaten within {HEARTBEAT_STALE_S:g} s" in words
    assert f"After {WATCHDOG_S:g} s of silence" in words
    assert f"one thread hangs after {WATCHDOG_S + HEARTBEAT_STALE_S:g} s" in words
    assert f"opens its ledger, for at most {START_S:g} s" in words
    assert f"is tried for {TAKE_WITHIN_S:g} s and then said" in words
    for code in (ExitCode.UNAVAILABLE, ExitCode.INTERNAL, ExitCode.CONFIG):
        assert f"status={int(code)}" in words


def test_the_page_has_every_secret_that_is_handed_over() -> None:
    page = (FOLDER.parent / "docs/systemd.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `gated-(\w+)` \| (`[^|]*`) \|$", page, flags=re.MULTILINE)
    told = {name: set(re.findall(r"`([^`]+)`", files)) for name, files in rows}
    assert told == {name: secrets for name, secrets in SECRETS.items() if secrets}


def _is_installed_by(page: str, name: str) -> bool:
    installed = " ".join(line for line in page.splitlines() if "sudo install" in line)
    return f"systemd/{name}" in installed or (
        name.endswith(".service") and "systemd/gated-*.service" in installed
    )
