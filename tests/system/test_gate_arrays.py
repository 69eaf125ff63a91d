"""A gate with a thermal array and a distance sensor: the real processes before simulated chips."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import pytest

from gated.contents import Kind
from gated.sensors.site import SITES, body_c
from gated.simulation.heads import head_values
from gated.simulation.optics import View
from gated.simulation.stage import distance_column
from gated.vocabulary import Prompt, Site
from tests.gate_processes import CLOCK, wait_for
from tests.gate_rig import StagedGate, staged_gate
from tests.gate_stage import AMBIENT_C, THERMOMETER

ARRAY = {
    'driver = "mlx90614", variant = "DAA", bus = "/dev/i2c-1", mount_height_m = 1': (
        'driver = "mlx90640", optics = "BAB", bus = "/dev/i2c-1", mount_height_m = 1.0, '
        'distance = { driver = "vl53l1x", bus = "/dev/i2c-4" }'
    )
}
NEAR_M, FAR_M = 0.45, 0.80
HEALTHY_C = 36.6
LEARNS_S = 2.0
"""What is in view at the start is the background: nobody may stand there yet."""


def stand(gate: StagedGate, body: float | None, distance_m: float = NEAR_M) -> None:
    """Put a head before the array, or (None) nobody."""
    views = []
    if body is not None:
        skin_c = body - body_c(0.0, AMBIENT_C, SITES[Site.FOREHEAD_MAX])
        views = [View(distance_m, skin_c, is_torso_behind=True)]
    away_m = math.inf if body is None else distance_m
    gate.stage.see({**head_values(THERMOMETER, views), distance_column(THERMOMETER): away_m})


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    with staged_gate(tmp_path_factory.mktemp("r") / "g", changes=ARRAY) as gate:
        stand(gate, None)
        gate.start()
        threading.Event().wait(LEARNS_S)
        yield gate
        assert gate.stop() == 0, gate.log()
        assert "Traceback" not in gate.log()


def test_a_face_is_measured_from_the_array_and_every_step_stands_in_the_record(
    gate: StagedGate,
) -> None:
    stand(gate, HEALTHY_C)
    gate.stage.hold_up(gate.office.student())
    body = gate.wait_event(Kind.VISIT).body
    assert (body["outcome"], body["attempt"]) == ("granted", 1)
    assert body["body_c"] == pytest.approx(HEALTHY_C, abs=0.25)
    steps = [float(str(body[name])) for name in ("object_c", "surface_c", "skin_c")]
    assert steps[0] < steps[1] == steps[2]
    total = float(str(body["skin_c"])) + float(str(body["site_offset_c"]))
    assert body["body_c"] == pytest.approx(total, abs=0.002)
    assert body["forehead_c"] == pytest.approx(steps[0], abs=0.3)
    assert body["distance_m"] == pytest.approx(NEAR_M, abs=0.03)


def test_who_stands_too_far_away_is_asked_to_come_closer_and_gets_no_number(
    gate: StagedGate,
) -> None:
    since_s = CLOCK.monotonic_s()
    stand(gate, HEALTHY_C, FAR_M)
    wait_for(lambda: gate.stage.has_shown(Prompt.COME_CLOSER, since_s), "the prompt")
    assert gate.of_kind(Kind.VISIT) == []
    stand(gate, HEALTHY_C)
    gate.stage.hold_up(gate.office.student())
    body = gate.wait_event(Kind.VISIT).body
    assert (body["outcome"], body["attempt"]) == ("granted", 1)


def test_a_fever_is_found_by_the_array(gate: StagedGate) -> None:
    stand(gate, 38.6)
    body = gate.wait_event(Kind.VISIT).body
    assert (body["outcome"], body["reason"]) == ("see_staff", "temperature_high")
