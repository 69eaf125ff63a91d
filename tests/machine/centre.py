"""What is on the host's side of the guest's network: the office, a broker with TLS, a collector."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509

from gated.clock import SystemClock
from gated.simulation.broker import HOST, free_port
from gated.simulation.office import Office, equip_gate, open_office
from tests.authorities import Authority
from tests.brokers import Mosquitto
from tests.gate_processes import Centre
from tests.machine.guest import HOST_SEEN_FROM_GUEST

ACL: Final = Path(__file__).resolve().parents[2] / "config/mosquitto.acl"
GATE: Final = "east-1"
SEED: Final = 7


class OtherSide:
    """Everything that a gate needs and that is not at the gate.

    Args:
        folder: for keys, database and logs. ``folder / "hand-out"`` is what goes to the gate.
    """

    def __init__(self, folder: Path) -> None:
        self.hand_out = folder / "hand-out"
        office = folder / "office"
        for needed in (self.hand_out, office, folder / "broker"):
            needed.mkdir(parents=True)
        self.office: Office = open_office(office, SystemClock().now(), SEED)
        equip_gate(
            office, self.hand_out, self.hand_out / "site.key", self.hand_out / "persons.list"
        )
        authority = Authority("school CA")
        (self.hand_out / "ca.pem").write_bytes(authority.pem)
        key, begins, certificate = authority.pair(GATE).partition(b"-----BEGIN CERTIFICATE")
        (self.hand_out / "gate.key").write_bytes(key)
        (self.hand_out / "gate.pem").write_bytes(begins + certificate)
        address = x509.IPAddress(ipaddress.ip_address(HOST_SEEN_FROM_GUEST))
        pem, ca = authority.server(folder / "broker", address), self.hand_out / "ca.pem"
        acl = folder / "broker/acl"
        acl.write_text(f"topic readwrite #\n{ACL.read_text(encoding='utf-8')}", encoding="utf-8")
        acl.chmod(0o600)
        own_port = free_port()
        self.broker = Mosquitto(
            folder / "broker",
            is_persistent=True,
            options=f"acl_file {acl}\nlistener {own_port} {HOST}\nallow_anonymous true",
            listener=f"cafile {ca}\ncertfile {pem}\nkeyfile {pem}\nrequire_certificate true\n"
            "use_identity_as_username true",
        )
        self.broker.start()
        self.centre = Centre(folder / "collector", f"mqtt://{HOST}:{own_port}")
        self.centre.start()

    def close(self) -> None:
        self.centre.close()
        self.broker.kill()
