"""A card that is set up in a PC: switched on, it becomes a gate, and its secrets are gone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gated.setup.boot import BOOT_FOLDERS, RESULT_FILE, SETUP_FILE
from tests.machine.container import Container, running_container, why_not
from tests.machine.figures import Verdict, measure, note
from tests.machine.installed import CONFIGURATION, DESK
from tests.machine.packages import newest
from tests.setup_rig import ISSUER, OFFICE_KEYS, PASSWORD

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
]

BOOT = BOOT_FOLDERS[0]
SETUP = f'[setup]\nmqtt_password = "{PASSWORD}"\ntrust = ["{ISSUER}"]\n'


@pytest.fixture
def machine() -> Iterator[Container]:
    """A machine with a gate's package, and nobody has configured it."""
    if reason := why_not():
        note("a card set up in a PC, in a container", reason, "", None, Verdict.LEFT_OUT)
        pytest.skip(reason)
    with running_container({}) as container:
        container.run(f"mkdir -p {DESK}")
        for package in newest("gated", "gated-common"):
            container.write(f"{DESK}/{package.name}", package.read_bytes())
        container.run(f"cd {DESK} && apt-get install -y ./*.deb", within_s=300.0)
        yield container


def switch_on_with(machine: Container, setup: str) -> float:
    """Write the setup file as a PC does, then switch on; return after how many seconds it is up."""
    machine.shut_down()
    machine.write(f"{BOOT}/{SETUP_FILE}", setup)
    machine.write(f"{BOOT}/{ISSUER}", OFFICE_KEYS)
    began_s = time.monotonic()
    machine.boot()
    return time.monotonic() - began_s


def test_a_card_that_was_set_up_in_a_pc_becomes_a_gate_when_it_is_switched_on(
    machine: Container,
) -> None:
    seconds = switch_on_with(machine, SETUP + CONFIGURATION)
    measure("container: switched on with a setup file to a gate that has started", seconds, "s")
    result = machine.run(f"cat {BOOT}/{RESULT_FILE}").stdout
    assert "设置成功" in result
    assert "the gate is started, now and at each boot" in result
    assert machine.run("systemctl is-enabled gated.target").stdout.strip() == "enabled"
    machine.run("systemctl is-active gated-controller gated-uplink")
    machine.run("gated config check")
    # Set up before the gate started, and nothing that is secret is left where everybody can read.
    unit = machine.show("gated-setup", "Result", "InactiveEnterTimestampMonotonic")
    assert unit["Result"] == "success"
    started = machine.show("gated-controller", "ExecMainStartTimestampMonotonic")
    ended_us = int(unit["InactiveEnterTimestampMonotonic"])
    assert ended_us <= int(started["ExecMainStartTimestampMonotonic"])
    assert machine.run(f"grep -rl {PASSWORD} {BOOT}", check=False).stdout == ""
    for secret in ("site.key", "mqtt.password"):
        assert machine.run(f"stat -c '%a %U' /etc/gated/{secret}").stdout == "600 root\n"

    # A bad one, later: it says why, nothing changes, the gate goes on.
    before = machine.run("sha256sum /etc/gated/*.*").stdout
    switch_on_with(
        machine, "[setup]\nreplace = true\n" + CONFIGURATION.replace("pulse_s", "puls_s")
    )
    result = machine.run(f"cat {BOOT}/{RESULT_FILE}").stdout
    assert "设置失败" in result
    assert "did you mean pulse_s?" in result
    assert machine.exists(f"{BOOT}/{SETUP_FILE}")
    assert machine.run("sha256sum /etc/gated/*.*").stdout == before
    machine.run("systemctl is-active gated-controller gated-uplink")
