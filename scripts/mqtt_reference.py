"""Writes the tables of docs/mqtt-reference.md from the wire models. Run it after changing one.

A test compares; a member without a meaning here fails it.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from gated.clock import TimeQuality
from gated.contents import (
    CONTENT_OF_KIND,
    AlarmName,
    CommandName,
    CommandOutcome,
    CommandReason,
)
from gated.received import Record
from gated.vocabulary import (
    ClaimStep,
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    TemperatureFlag,
    UnreadCause,
)
from gated.wire import Ack, CollectorState, GateState

PAGE = Path(__file__).resolve().parents[1] / "docs" / "mqtt-reference.md"
BEGIN, END = "<!-- tables: begin (scripts/mqtt_reference.py) -->", "<!-- tables: end -->"

_ON_VOCABULARIES = "Later versions may add words: keep one that is not here, never fail on it."
VOCABULARIES: tuple[type[enum.StrEnum], ...] = (
    Outcome, Reason, Prompt, Mode, Direction, TimeQuality, CredentialStatus, HolderCategory,
    CodeColour, PassageResult, ReleaseResult, ClaimStep, UnreadCause, TemperatureFlag, AlarmName,
    CommandName, CommandOutcome, CommandReason,
)  # fmt: skip

MEANINGS = {
    "accepted": "whether the new configuration holds; if not, the old one stays",
    "alarm": "what happened",
    "ambient_c": "air temperature at the sensor, °C",
    "anchor": "h(`oldest_seq` − 1), hex: where the chain that is kept begins",
    "at": "wall clock, RFC 3339 with offset; believe it as far as `time_quality` says",
    "attempt": "number of readings taken",
    "backlog": "events that the collector has not acked",
    "body_c": "compensated body temperature, °C; null: not judged",
    "boot": "number of this boot of the machine",
    "boot_id": "the kernel's id of this boot",
    "boot_ms": "CLOCK_BOOTTIME, ms: intervals inside one boot are exact",
    "boot_nonce": "what a command must quote; new at each start and every minute",
    "bundle_bytes": "size of the diagnostics that follow on `diag`; left out: none",
    "bundle_sha256": "their SHA-256, hex; left out: none",
    "by": "who or what changed it",
    "calibration": "which calibration the reading went through",
    "changed": "paths of the changed keys, never values",
    "code_colour": "colour of the code's dark modules; advisory",
    "collector": "the collector's name",
    "command": "what was to be done",
    "command_id": "the command's own id, hex: joins it and its answer",
    "counter": "the command's number; rises with each of its key",
    "first_seq": "the first record to be sent again; null: another command",
    "key": "fingerprint of the key that signed the command",
    "last_seq": "the last record to be sent again; null: another command",
    "collector_epoch": "changes when the collector's store is new or restored",
    "contact_c": "the contact thermometer's reading, °C",
    "credential_format": "GP1, HC1, …; `none` if no code was shown",
    "credential_status": "what verification said; null: no code",
    "detail": "a short note for people",
    "device": "the device, as the configuration names it",
    "devices": "each device: `ok` or `lost`",
    "direction": "which way",
    "disk_free_kb": "room left where the ledger is, kB",
    "distance_m": "distance of the face, m",
    "drill": "a drill: left out of reports",
    "epoch": "the ledger file: 16 characters, new with every new, restored or recovered file",
    "expires_at": "when the mode ends by itself",
    "follow_up": "what staff are to do",
    "gate": "the gate (one lane)",
    "group_id": "the same for visits that belong together, such as a parent and a child",
    "hash": "h(`upto`), hex, 64 digits",
    "have": "closed ranges `[first, last]` beyond `upto` that are stored as well",
    "holder_category": "what kind of holder the pass names",
    "holder_commitment": "salted hash of the holder's pseudonym; see *The person link*",
    "holder_group": "class, department, dormitory …",
    "hints": "what the visitor was asked to do on the way, in this order; left out: nothing",
    "kind": "the kind of record",
    "ledger": "how the ledger was found at the start",
    "mode": "how the gate was run at that moment",
    "newest_seq": "the newest event of the ledger",
    "noted": "soft checks that failed",
    "oldest_seq": "the oldest event that the gate still has",
    "online": "false in the last will and in a goodbye",
    "outcome": "how the visit ended; what came of a command",
    "prev": "first 8 bytes, hex, of the hash that this record is chained to",
    "previous_epoch": "the epoch before a new file",
    "prompt": "what the visitor was told last",
    "readings_c": "every reading of the visit, °C",
    "reason": "the most severe reason, a scalar; null: none",
    "reasons": "all reasons, the most severe first",
    "released_by": "how staff released",
    "result": "how it ended",
    "rss_kb": "memory of the controller, kB",
    "rules": "version of the rules in force",
    "samples": "samples in the plateau",
    "seq": "counts from 1 in each epoch, without gaps",
    "session": "grows with every connection; ignore an offline state with a lower one",
    "site": "the school, village or venue",
    "skin_c": "skin temperature: surface_c by this device's calibration, less drift_c, °C",
    "software": "version of gated",
    "spread_c": "spread of the samples in the plateau, °C",
    "step": "what staff did on the way to a release",
    "step_ms": "how far the wall clock jumped, ms",
    "surroundings_c": "what the thermometer saw with nobody there, °C; left out: not known",
    "temperature_quality": "`good` or `extrapolated`",
    "thermometer": "the thermometer that judged",
    "threshold_c": "the fever threshold, °C",
    "threshold_inclusive": "whether a reading equal to the threshold is high",
    "time_quality": "how far the wall clock can be believed",
    "to_drill": "the new value of the drill flag",
    "to_mode": "the new mode",
    "to_quality": "the new time quality",
    "took_ms": "from the beginning to this event, ms",
    "bias_c": "contact readings minus the gate's before it, mean, °C; null: none were taken",
    "chip_id": "identity of the chip that it was made with",
    "cohort_offset_c": "slow correction by the people last admitted, added, °C; left out: off",
    "die_c": "the thermometer chip's own temperature, °C",
    "drift_c": "what the reference plate shows too much, taken off, °C; left out: no plate",
    "forehead_c": "arrays: the forehead's hottest area as the chip shows it, °C",
    "gain": "this device against a reference: true = gain x shown + offset_c",
    "loa_high_c": "upper limit of agreement with contact readings, °C",
    "loa_low_c": "lower limit of agreement with contact readings, °C",
    "made_at": "when it was made, RFC 3339",
    "made_by": "who made it",
    "object_c": "the last reading as the chip shows it, °C",
    "offset_c": "this device against a reference, °C",
    "pairs": "contact readings that it rests on",
    "site_a_c": "a in body = skin + a − b x ambient, °C; null: as configured",
    "site_b": "b in the same rule; null: as configured",
    "site_offset_c": "a − b x ambient, added to skin_c, °C",
    "surface_c": "supply, emissivity and reflection taken out of object_c, °C",
    "temperature_flags": "what should be known of a reading that was judged all the same",
    "unread_cause": "why a code could not be read at first; left out: it could, or there was none",
    "upto": "every seq up to here is stored",
    "v": "version of the format: 1",
    "verdict": "what the readings say: `normal`, `recheck`, `high`, `not_judged`",
    "visit_id": "joins the records of one visit",
    "would_have": "mode `observe`: the outcome if the rules had been enforced",
}


def type_in_words(annotation: object) -> str:
    """Return a member's type as JSON has it; a vocabulary by its name, linked."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_in_words(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_in_words(argument) for argument in arguments)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {type_in_words(arguments[0])}"
    if origin is dict:
        return "object of strings"
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    return names.get(typing.cast("type", annotation), "null")


def table(model: type[BaseModel]) -> Iterator[str]:
    """Yield the lines of the table of ``model``'s members."""
    yield "| member | type | meaning |"
    yield "|---|---|---|"
    for name, member in model.model_fields.items():
        yield f"| `{name}` | {type_in_words(member.annotation)} | {MEANINGS[name]} |"


def tables() -> str:
    """Return everything between the two marks of the page."""
    lines = [BEGIN, "", "### Every record", "", *table(Record)]
    for kind, content in CONTENT_OF_KIND.items():
        lines += ["", f"### rec/{kind}", "", *table(content)]
    for title, model in (
        ("ack", Ack),
        ("state of a gate", GateState),
        ("state of a collector", CollectorState),
    ):
        lines += ["", f"### {title}", "", *table(model)]
    lines += ["", "## Vocabularies", "", _ON_VOCABULARIES]
    for words in VOCABULARIES:
        listed = ", ".join(f"`{word.value}`" for word in words)
        lines += ["", f"### {words.__name__}", "", listed]
    return "\n".join([*lines, "", END])


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{tables()}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
