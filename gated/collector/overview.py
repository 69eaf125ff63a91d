"""The state of everything on one screen: ``gated collector status``. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gated.collector.archive import LastAlarm
from gated.collector.store import GateRow, Lane, Problem
from gated.contents import AlarmName

ENDED_BY: Mapping[str, str] = {
    AlarmName.DEVICE_LOST: AlarmName.DEVICE_RETURNED,
    AlarmName.SCANNER_LOST: AlarmName.SCANNER_RETURNED,
    AlarmName.HELD_OPEN: AlarmName.GATE_SHUT_AGAIN,
    AlarmName.THERMOMETER_DRIFTING: AlarmName.THERMOMETER_STEADY,
}
"""Alarms that last until another one ends them; the others say that something happened."""
OF_DEVICES = frozenset({AlarmName.DEVICE_LOST, AlarmName.SCANNER_LOST})


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to know at a glance. Numbers are None where nobody has said them."""

    gates: tuple[GateRow, ...]
    newest_received_ms: int | None
    backlog: int  # the sum of what gates last said
    quarantined: Mapping[Problem, int]
    open_alarms: tuple[LastAlarm, ...]
    undelivered: int  # alarms that wait for the webhook

    @property
    def offline(self) -> tuple[Lane, ...]:
        return tuple(gate.lane for gate in self.gates if not gate.is_online)

    @property
    def is_fine(self) -> bool:
        """Return whether nothing asks for a look."""
        is_quiet = not (self.quarantined or self.open_alarms or self.undelivered)
        return bool(self.gates) and not self.offline and is_quiet


def open_alarms(last: Sequence[LastAlarm], gates: Sequence[GateRow] = ()) -> tuple[LastAlarm, ...]:
    """Return the alarms that were not ended: of the same gate and device, later in its ledger.

    A device that was mended while the gate was off never says that it is back; the state does.
    """
    known = {(alarm.lane, alarm.device, alarm.alarm): alarm for alarm in last}
    working = {
        (gate.lane, device)
        for gate in gates
        if gate.state is not None
        for device, state in gate.state.devices.items()
        if state == "ok"
    }

    def is_open(alarm: LastAlarm) -> bool:
        if alarm.alarm in OF_DEVICES and (alarm.lane, alarm.device) in working:
            return False
        end = known.get((alarm.lane, alarm.device, ENDED_BY[alarm.alarm]))
        return end is None or end.place < alarm.place

    return tuple(alarm for alarm in last if alarm.alarm in ENDED_BY and is_open(alarm))


def overview(
    gates: Sequence[GateRow],
    last_alarms: Sequence[LastAlarm],
    newest_received_ms: int | None,
    undelivered: int,
) -> Overview:
    """Return the overview of what was read in one go."""
    problems: Counter[Problem] = Counter()
    for gate in gates:
        problems.update(dict(gate.problems))
    backlog = sum(gate.state.backlog or 0 for gate in gates if gate.state is not None)
    return Overview(
        gates=tuple(gates),
        newest_received_ms=newest_received_ms,
        backlog=backlog,
        quarantined=dict(problems),
        open_alarms=open_alarms(last_alarms, gates),
        undelivered=undelivered,
    )
