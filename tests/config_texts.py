"""The shortest configuration that is complete, and what the tests do with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.config import parse_gate
from gated.errors import ConfigError

MINIMAL = """
[gate]
site = "lixin-primary"
name = "east-1"
[temperature]
thermometers = [
  { name = "child", driver = "mlx90614", bus = "/dev/i2c-1", mount_height_m = 1.1, variant = "DCI" }
]
[scanner]
camera = "v4l2"
[outputs]
relay = { line = "GPIO17" }
[uplink]
broker = "mqtts://10.8.0.1:8883"
"""


def with_keys(section: str, *lines: str) -> str:
    """Return MINIMAL with ``lines`` put into ``section``, which is added if it is not there."""
    head = f"[{section}]\n"
    text = MINIMAL if head in MINIMAL else f"{MINIMAL}{head}"
    return text.replace(head, head + "".join(f"{line}\n" for line in lines))


def of_uplink(site: str, gate: str, broker: str, folder: Path, *lines: str) -> str:
    """Return MINIMAL for the uplink of a gate whose files lie in ``folder``.

    Args:
        site: the gate's.
        gate: its name.
        broker: the URL.
        folder: of state and sockets.
        lines: further ones of [uplink].
    """
    text = MINIMAL.replace("lixin-primary", site).replace("east-1", gate)
    text = text.replace('"mqtts://10.8.0.1:8883"', "\n".join((f'"{broker}"', *lines)))
    return f'{text}[paths]\nstate = "{folder}"\nrun = "{folder}"\n'


def refusal(text: str) -> list[str]:
    """Return the lines of the refusal of ``text``, the heading left out."""
    with pytest.raises(ConfigError) as caught:
        parse_gate(text, "gated.toml")
    return [line.strip() for line in str(caught.value).splitlines()[1:]]
