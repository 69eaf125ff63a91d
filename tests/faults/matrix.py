"""Every fault, by name."""

from __future__ import annotations

from tests.faults import (
    backlogs,
    brokers,
    cards,
    clocks,
    collectors,
    full_disks,
    ingesters,
    kills,
    messages,
    migrations,
    networks,
    power,
    whole,
)
from tests.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (
        kills,
        brokers,
        networks,
        collectors,
        ingesters,
        power,
        migrations,
        full_disks,
        clocks,
        cards,
        messages,
        backlogs,
        whole,
    )
    for fault in module.FAULTS
}
