from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.brokers import BrokerUnderTest, wait_until
from tests.uplink_rig import GateRig, running_uplink

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mqtt-reference.md"


def test_the_receiver_of_the_mqtt_reference_stores_each_visit_once(
    broker: BrokerUnderTest, gate: GateRig, tmp_path: Path
) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    assert "1883" in example[1]
    program = tmp_path / "receiver.py"
    program.write_text(example[1].replace("1883", str(broker.port)), encoding="utf-8")
    receiver = subprocess.Popen([sys.executable, program], cwd=tmp_path)

    def stored() -> list[tuple[str, int, str]]:
        try:
            db = sqlite3.connect(f"file:{tmp_path}/visits.db?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return []  # it has not made it yet
        try:
            return db.execute("SELECT gate, seq, outcome FROM record ORDER BY seq").fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    try:
        gate.record_visit()
        gate.record(1)
        gate.record_visit()
        for _ in range(2):  # nobody acks, so the second connection sends everything again
            with running_uplink(gate, broker.port) as uplink:
                assert wait_until(lambda: [seq for _, seq, _ in stored()] == [1, 3], 40), stored()
                assert wait_until(lambda: uplink.publisher.counts.published >= 3, 20)
        assert stored() == [("school/east-1", 1, "granted"), ("school/east-1", 3, "granted")]
    finally:
        receiver.kill()
        receiver.wait(10)
