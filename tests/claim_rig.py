"""A centre that new gates can claim from: a broker with the project's access rules, a collector."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gated.claim_codes import Offer, parse_offer
from gated.claims import CLAIM_PASSWORD, CLAIM_USER
from gated.cli import main
from gated.clock import SystemClock
from gated.collector.claim_book import ClaimBook
from gated.credentials.pseudonym import make_site_key
from gated.errors import ExitCode
from gated.setup.claim import Claimant
from gated.simulation.broker import HOST, free_port
from tests.authorities import Authority
from tests.brokers import Mosquitto, wait_until
from tests.collector_process import CollectorProcess
from tests.config_texts import MINIMAL
from tests.setup_rig import ISSUER, Card

ACL = Path(__file__).resolve().parents[1] / "config" / "mosquitto.acl"
GATE = "lixin-primary/east-1"
WITHIN_S = 30.0


class ClaimCentre:
    """Everything that stands at the centre, in ``folder``.

    Gates with a certificate use one port of the broker, new ones the other, without.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.ca = Authority("school CA")
        self._write_keys()
        self._claims_port = free_port()
        self.broker = Mosquitto(
            folder,
            options=f"per_listener_settings false\nallow_anonymous false\nacl_file {folder}/acl\n"
            f"password_file {folder}/passwords",
            listener=self._listeners(),
        )
        self.broker.start()
        self.url = f"mqtts://{HOST}:{self.broker.port}"
        self.claims_url = f"mqtts://{HOST}:{self._claims_port}"
        self.config = folder / "collector.toml"
        self.database = folder / "records.db"
        self._write_config()
        self.book = ClaimBook(folder / "claims")
        self.collector = CollectorProcess(folder / "collector.log", "--config", str(self.config))

    def _listeners(self, *of_gates: str) -> str:
        """Return what follows the port of those with a certificate; then the other port."""
        tls = f"certfile {self.folder}/broker.pem\nkeyfile {self.folder}/broker.pem"
        gates = (tls, "require_certificate true", "use_identity_as_username true", *of_gates)
        lines = (
            f"cafile {self.folder}/ca.pem",
            *gates,
            f"listener {self._claims_port} {HOST}",
            tls,
        )
        return "\n".join(lines)

    def revoke(self, revoked: str) -> None:
        """Give the broker a list of certificates that count no longer."""
        (self.folder / "revoked.pem").write_text(revoked, encoding="ascii")
        self.broker.stop()
        self.broker.listen_as(self._listeners(f"crlfile {self.folder}/revoked.pem"))
        self.broker.start()

    def _write_keys(self) -> None:
        (self.folder / "ca.pem").write_bytes(self.ca.pem)
        (self.folder / "ca.key").write_bytes(self.ca.key_pem)
        (self.folder / "ca.key").chmod(0o600)
        self.ca.server(self.folder)
        (self.folder / "centre.pem").write_bytes(self.ca.pair("centre"))
        (self.folder / "acl").write_bytes(ACL.read_bytes())
        (self.folder / "acl").chmod(0o600)
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(self.folder / "passwords"), CLAIM_USER,
             CLAIM_PASSWORD],
            check=True, capture_output=True,
        )  # fmt: skip
        make_site_key(self.folder / "site.key")
        card = Card(self.folder / "office")
        (self.folder / "trust").mkdir()
        (self.folder / "trust" / ISSUER).write_bytes((card.boot / ISSUER).read_bytes())

    def _write_config(self) -> None:
        folder = self.folder
        own = f'ca_file = "{folder}/ca.pem"\ncert_file = "{folder}/centre.pem"\n'
        self.config.write_text(
            f'[collector]\nname = "centre"\nbroker = "{self.url}"\n{own}'
            f'key_file = "{folder}/centre.pem"\ndatabase = "{self.database}"\n'
            f'listen = "{HOST}:{free_port()}"\n'
            f'[claims]\nenabled = true\nfolder = "{folder}/claims"\n'
            f'ca_cert_file = "{folder}/ca.pem"\nca_key_file = "{folder}/ca.key"\n'
            f'broker = "{self.claims_url}"\ngate_config_file = "{folder}/gate.toml"\n'
            f'site_key_file = "{folder}/site.key"\ntrust = "{folder}/trust"\n',
            encoding="utf-8",
        )
        self.write_gate_config(MINIMAL)

    def write_gate_config(self, text: str) -> None:
        """Write what new gates get; its broker is this one."""
        (self.folder / "gate.toml").write_text(
            text.replace("mqtts://10.8.0.1:8883", self.url), encoding="utf-8"
        )

    def change(self, old: str, new: str) -> None:
        """Change collector.toml."""
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    def start(self) -> None:
        before = self.collector.log().count("connected")
        self.collector.start()
        assert wait_until(lambda: self.collector.log().count("connected") > before, WITHIN_S), (
            self.collector.log()
        )

    def close(self) -> None:
        self.collector.stop_if_running()
        self.broker.kill()

    def command(self, *words: str) -> int:
        return main(["collector", "claim", *words, "--config", str(self.config)])

    def new_code(self, capsys: pytest.CaptureFixture[str], *words: str, gate: str = GATE) -> Offer:
        """Return what the QR code of a new claim says."""
        capsys.readouterr()
        assert self.command("new", gate, *words) == ExitCode.OK
        said = capsys.readouterr().out
        line = next(each for each in said.splitlines() if each.strip().startswith("claim = "))
        return parse_offer(line.partition("= ")[2].strip("'"))


def claimant(
    *, broker: str | None = None, ca: Path | None = None, gate: str | None = None
) -> Claimant:
    """Return who claims without patience."""
    clock = SystemClock()
    return Claimant(clock, WITHIN_S, lambda _: None, _PAUSE.wait, broker, ca, gate)


class _Pause:
    def wait(self, seconds: float) -> bool:
        return wait_until(lambda: False, min(seconds, 0.2))


_PAUSE = _Pause()
