"""What the README tells a newcomer to type, typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from gated.simulation.broker import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADING = "## Cards for a class of thirty, in five minutes"
SHOWN = re.compile(r"a picture held up.*?°C +(granted|denied +\w+(?: \w+)*)")


def _bash(folder: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """Run ``commands`` in ``folder`` as a newcomer's shell does, up to the first that fails."""
    environment = {key: value for key, value in os.environ.items() if key != "GATED_OFFICE"}
    return subprocess.run(
        ["bash", "-ec", f'gated() {{ "{sys.executable}" -m gated "$@"; }}\n{commands}'],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )


def test_a_class_gets_its_cards_and_a_copy_a_lost_card_and_a_late_visitor_stay_outside(
    tmp_path: Path,
) -> None:
    section = README.partition(HEADING)[2].partition("\n## ")[0]
    making, meeting = re.findall(r"^```sh\n(.+?)^```", section, re.DOTALL | re.MULTILINE)
    assert meeting.strip() == "make demo OFFICE=office FRAMES=try VISITS=4"
    commands = making.replace(". .venv/bin/activate\n", "").replace("+2 minutes", "+3 seconds")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    made = _bash(tmp_path, commands)
    assert made.returncode == 0, made.stderr
    assert "cards        office/print/cards-0001-0030.html  (30)" in made.stdout
    assert sorted(path.name for path in (tmp_path / "try").iterdir()) == [
        "0001-copied.png", "0001.png", "0002.png", "0031.png",
    ]  # fmt: skip

    met = _bash(
        tmp_path,
        f"gated demo --office office --frames try --visits 4 --state s --page-port {free_port()}",
    )
    promised = _shown(section)
    assert len(promised) == 4
    assert _shown(met.stdout) == promised, met.stdout + met.stderr
    assert met.stdout.splitlines()[-1] == "visits=4 stored=4 lost=0 duplicated=0 unexpected=0"
    assert met.returncode == 0


def _shown(text: str) -> list[str]:
    return [" ".join(found.split()) for found in SHOWN.findall(text)]
