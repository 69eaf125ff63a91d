"""The page's commands, run as they stand there: a CA, a broker, a certificate, another CA."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.config.load import load_gate
from gated.controller.certificate_watch import own_pairs
from gated.mqtt.certificates import describe, read_certificates
from tests.brokers import Mosquitto, wait_until
from tests.uplink_rig import GATE, GateRig, running_uplink

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "broker-certificates.md").read_text(encoding="utf-8")
PATIENCE_S = 20.0
FENCED = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = [text for language, text in FENCED if language == "sh"]
CONF = next(text for _, text in FENCED if "cafile" in text)


def run(folder: Path, config: Path, *blocks: str) -> None:
    """Run ``blocks`` in ``folder``, with this gated, and no other user."""
    shell = f'set -e; sudo() {{ "$@"; }}; gated() {{ "{sys.executable}" -m gated "$@"; }}\n'
    script = "\n".join(blocks).replace("DNS:broker.lixin.example", "IP:127.0.0.1")
    done = subprocess.run(
        ["bash", "-c", shell + script],
        cwd=folder,
        env={**os.environ, "GATED_CONFIG": str(config), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed: apt install openssl"
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that is set up as the page says, and not started yet."""
    acl = tmp_path / "acl"
    acl.write_text("pattern readwrite gates/v1/school/%u/#\n", encoding="utf-8")
    acl.chmod(0o600)
    conf = CONF.partition("\n")[2].replace("/etc/mosquitto/gated.acl", str(acl))
    broker = Mosquitto(
        tmp_path, listener=conf.replace("/etc/mosquitto", str(tmp_path / "gated-ca"))
    )
    yield broker
    broker.kill()


def test_the_commands_of_the_page_lead_from_nothing_to_another_ca(
    tmp_path: Path, broker: Mosquitto, gate: GateRig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_ca, sign_broker, request, sign, install, new_ca, move_broker = BLOCKS
    folder = tmp_path / "gated-ca"
    ca = tmp_path / "ca.pem"  # what the gate believes
    config = tmp_path / "gated.toml"
    text = (ROOT / "config" / "gated.toml").read_text(encoding="utf-8")
    uplink = f'broker = "mqtts://127.0.0.1"\nca_file = "{ca}"'
    text = re.sub(r'^broker = "[^"]+"', uplink, text, flags=re.MULTILINE)
    text = text.replace("/var/lib/gated", str(gate.folder))
    config.write_text(text, encoding="utf-8")
    pairs = own_pairs(load_gate(config))
    assert pairs is not None

    run(tmp_path, config, make_ca, sign_broker)
    (folder / "ca.pem").write_bytes((folder / "ca-2026.pem").read_bytes())
    ca.write_bytes((folder / "ca-2026.pem").read_bytes())
    run(folder, config, request, sign, install)
    first = pairs.new()
    assert first is not None
    gate.record(5)
    broker.start()
    with running_uplink(gate, broker.port, tls=pairs.configured):
        assert wait_until(pairs.in_force_file.exists, PATIENCE_S)

        run(folder, config, new_ca)
        both = (folder / "both.pem").read_bytes()
        ca.write_bytes(both)
        (folder / "ca.pem").write_bytes(both)
        broker.stop()
        broker.start()
        run(folder, config, request, sign.replace("2026", "2031"), install)
        assert wait_until(lambda: pairs.in_force_file.read_bytes() != first, PATIENCE_S)
        run(folder, config, move_broker)
        last = (folder / "ca-2031.pem").read_bytes()
        (folder / "ca.pem").write_bytes(last)
        ca.write_bytes(last)
        before = caplog.text.count("connected to")
        broker.stop()
        broker.start()
        assert wait_until(lambda: caplog.text.count("connected to") > before, PATIENCE_S)
    own = describe(read_certificates(pairs.in_force_file)[0])
    assert (own.name, own.issuer) == (GATE, "CN=lixin-primary CA 2031")
