"""The controller's desk for commands: what is carried out, answered, refused, told as an alarm."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gated.carried import MAX_COMMAND_BYTES
from gated.clock import BUILT_AT
from gated.config import CredentialSettings
from gated.contents import CommandContent, CommandName, CommandOutcome, CommandReason
from gated.controller.commands import ALARMS_EACH_MINUTE, COUNTERS_SETTING, MINUTE_S
from gated.controller.nonces import NEW_EVERY_S
from gated.controller.pushed_lists import PushedLists
from gated.credentials.revocation import make_list, read_list
from gated.credentials.revocation_folder import FoundList, Revocations
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trusted_keys import USE_COMMANDS, USE_CONFIG, USE_TRUST, TrustList
from gated.deeds import (
    AddTrust,
    Diagnose,
    ListName,
    OpenOnce,
    Ping,
    RemoveTrust,
    ReplaceList,
    Resend,
    RollBackConfig,
    SetConfig,
    SetDrill,
    SetMode,
)
from gated.orders import make_order
from gated.vocabulary import Mode, Reason
from tests.command_rig import (
    BUNDLE,
    CENTRE,
    CONFIG_TRUST,
    ELSEWHERE,
    OBSERVE_FOR_S,
    STRANGER,
    TRUST_TRUST,
    GateRig,
    code_rules,
)
from tests.signed_codes import trusted_key

NOW = BUILT_AT + timedelta(days=1)
KEY = key_fingerprint(CENTRE.public_key()).hex()


def said(answer: CommandContent | None) -> tuple[CommandOutcome, CommandReason | None] | None:
    return None if answer is None else (answer.outcome, answer.reason)


DONE = (CommandOutcome.DONE, None)


def refused(why: CommandReason) -> tuple[CommandOutcome, CommandReason]:
    return (CommandOutcome.REFUSED, why)


# --- what is carried out ------------------------------------------------------------------------


def test_an_answer_says_what_was_done_and_who_asked() -> None:
    gate = GateRig()
    assert gate.tell(Ping(), counter=41, order_id=b"\xab" * 16) == CommandContent(
        command=CommandName.PING,
        command_id="ab" * 16,
        outcome=CommandOutcome.DONE,
        by="centre:duty-desk",
        key=KEY,
        counter=41,
    )
    assert json.loads(gate.settings[COUNTERS_SETTING]) == {KEY: 41}
    assert gate.alarms == []


def test_the_gate_opens_once() -> None:
    gate = GateRig()
    answer = gate.tell(OpenOnce())
    assert said(answer) == DONE
    assert answer is not None
    assert answer.visit_id == gate.state.visits[0].visit_id
    assert gate.openings == 1


def test_nothing_opens_and_nothing_is_answered_with_a_full_disk() -> None:
    gate = GateRig(is_disk_full=True)
    assert gate.tell(OpenOnce()) is None
    assert gate.openings == 0
    gate.is_disk_full = False
    assert said(gate.tell(OpenOnce(), counter=2)) == DONE
    assert gate.openings == 1


def test_a_mode_holds_for_as_long_as_was_asked_for() -> None:
    gate = GateRig()
    assert said(gate.tell(SetMode(Mode.CLOSED, 600))) == DONE
    (mode,) = gate.modes
    assert (mode.to_mode, mode.by) == (Mode.CLOSED, "centre:duty-desk")
    assert mode.expires_at == gate.timekeeper.after(600)
    assert gate.state.mode_until == gate.clock.monotonic_s() + 600


@pytest.mark.parametrize(
    ("asked_s", "holds_s"), [(None, OBSERVE_FOR_S), (366 * 86_400, OBSERVE_FOR_S), (60, 60)]
)
def test_observing_always_ends(asked_s: int | None, holds_s: float) -> None:
    gate = GateRig()
    gate.tell(SetMode(Mode.OBSERVE, asked_s))
    assert gate.state.mode_until == gate.clock.monotonic_s() + holds_s


def test_a_drill_changes_neither_the_mode_nor_its_end() -> None:
    gate = GateRig()
    gate.tell(SetMode(Mode.CLOSED, 600))
    gate.clock.advance(100)
    assert said(gate.tell(SetDrill(is_on=True), counter=2)) == DONE
    ends_at = gate.timekeeper.after(500)
    gate.tell(SetMode(Mode.NORMAL), counter=3)
    gate.tell(SetDrill(is_on=False), counter=4)
    assert [(mode.to_mode, mode.to_drill, mode.expires_at) for mode in gate.modes[1:]] == [
        (Mode.CLOSED, True, ends_at),
        (Mode.NORMAL, True, None),  # a mode does not end a drill
        (Mode.NORMAL, False, None),
    ]
    assert gate.state.mode_until is None


@pytest.mark.parametrize(
    ("first", "last", "answer"),
    [
        (10, 99, DONE),
        (9, 99, refused(CommandReason.NOT_KEPT)),
        (10, 100, refused(CommandReason.NOT_KEPT)),
    ],
)
def test_records_are_sent_again_as_far_as_they_are_kept(
    first: int, last: int, answer: tuple[CommandOutcome, CommandReason | None]
) -> None:
    found = GateRig().tell(Resend(first, last))
    assert said(found) == answer
    assert found is not None
    assert (found.first_seq, found.last_seq) == (first, last)


def test_a_list_is_put_in_its_place_and_never_recorded_itself() -> None:
    gate = GateRig()
    answer = gate.tell(ReplaceList(ListName.PERSONS, b"s-0412"))
    assert said(answer) == DONE
    assert answer is not None
    assert answer.detail == "persons, 6 bytes"
    assert "s-0412" not in repr(gate.recorded)
    gate.why_no_list = CommandReason.LIST_REFUSED
    assert said(gate.tell(ReplaceList(ListName.DUTY, b"?"), counter=2)) == refused(
        CommandReason.LIST_REFUSED
    )


def test_only_a_key_that_may_changes_the_configuration() -> None:
    gate, wish = GateRig(), SetConfig({"checks.credential": "soft", "visit.hold_s": 6.0})
    assert said(gate.tell(wish)) == refused(CommandReason.WRONG_USE)
    assert gate.alarms == [f"command: wrong_use, key {KEY}, by duty-desk"]
    assert gate.is_untouched()
    gate.trust = CONFIG_TRUST
    answer = gate.tell(wish, counter=2)
    assert said(answer) == DONE
    assert answer is not None
    assert answer.detail == "checks.credential, visit.hold_s", "keys, never values"
    gate.tell(RollBackConfig(), counter=3)
    assert gate.configs == [wish, RollBackConfig()]
    gate.why_no_config = CommandReason.CONFIG_REFUSED
    answer = gate.tell(wish, counter=4)
    assert said(answer) == refused(CommandReason.CONFIG_REFUSED)
    assert answer is not None
    assert answer.detail == "what is wrong"


def test_only_a_key_that_may_changes_what_the_gate_believes() -> None:
    wish = AddTrust("desk", b"keys")
    gate = GateRig(trust=CONFIG_TRUST)
    assert said(gate.tell(wish)) == refused(CommandReason.WRONG_USE)
    answer = gate.tell(RemoveTrust("desk"), counter=2)
    assert said(answer) == refused(CommandReason.WRONG_USE)
    assert len(gate.alarms) == 2
    assert gate.is_untouched()
    gate.trust = TRUST_TRUST
    assert said(gate.tell(SetConfig({}), counter=3)) == refused(CommandReason.WRONG_USE)
    order = make_order(gate.order(wish, counter=4), CENTRE)
    answer = gate.hear(order)
    assert said(answer) == DONE
    assert answer is not None
    assert (answer.command, answer.detail) == (CommandName.TRUST, "which keys came")
    assert gate.trusted == [(wish, order)], "the order itself is kept"
    gate.why_no_trust = CommandReason.TRUST_REFUSED
    answer = gate.tell(wish, counter=5)
    assert said(answer) == refused(CommandReason.TRUST_REFUSED)
    assert answer is not None
    assert answer.detail == "what is wrong"


def test_the_uses_of_one_key_may_stand_in_two_files() -> None:
    key = CENTRE.public_key()
    gate = GateRig(
        trust=TrustList.of(
            [
                trusted_key(key, uses=[USE_COMMANDS, USE_CONFIG], source="a"),
                trusted_key(key, uses=[USE_COMMANDS, USE_TRUST], source="b"),
            ]
        )
    )
    assert said(gate.tell(SetConfig({}))) == DONE
    assert said(gate.tell(RemoveTrust("desk"), counter=2)) == DONE


def test_the_answer_announces_diagnostics() -> None:
    gate = GateRig()
    answer = gate.tell(Diagnose())
    assert said(answer) == DONE
    assert answer is not None
    assert (answer.bundle_bytes, answer.bundle_sha256) == (BUNDLE.size_bytes, BUNDLE.sha256)
    ping = gate.tell(Ping(), counter=2)
    assert ping is not None
    assert not {"bundle_bytes", "bundle_sha256"} & ping.members().keys()
    gate.bundle = CommandReason.TOO_SOON
    assert said(gate.tell(Diagnose(), counter=3)) == refused(CommandReason.TOO_SOON)


# --- what is refused ----------------------------------------------------------------------------


def test_a_stranger_changes_nothing_and_gets_no_answer() -> None:
    gate = GateRig()
    for payload in (b"", b"open", b"\xd2\x84", make_order(gate.order(OpenOnce()), STRANGER)):
        assert gate.hear(payload) is None
    assert gate.hear(bytes(MAX_COMMAND_BYTES + 1)) is None
    assert gate.alarms == [
        "command: malformed",
        "command: malformed",
        "command: malformed",
        "command: unknown_key",
        "command: too_large",
    ]
    assert gate.is_untouched()
    assert gate.settings == {}


def test_a_retained_command_is_not_even_looked_at() -> None:
    gate = GateRig()
    payload = make_order(gate.order(OpenOnce()), CENTRE)
    assert gate.hear(payload, is_retained=True) is None
    assert gate.alarms == ["command: retained"]
    assert gate.is_untouched()
    assert said(gate.hear(payload)) == DONE, "its number is not used up by that"


def test_another_gates_command_is_not_answered_and_uses_up_no_number() -> None:
    gate = GateRig()
    assert gate.tell(OpenOnce(), gate=ELSEWHERE, counter=1_000) is None
    assert gate.alarms == [f"command: wrong_gate, key {KEY}, by duty-desk"]
    assert gate.is_untouched()
    assert said(gate.tell(OpenOnce(), counter=1)) == DONE


def test_a_number_is_good_once_and_no_smaller_one_after_it() -> None:
    gate = GateRig()
    first, second = (
        make_order(gate.order(Ping(), counter=n, order_id=bytes([n] * 16)), CENTRE) for n in (1, 2)
    )
    assert said(gate.hear(second)) == DONE
    for payload in (second, first, second):
        assert gate.hear(payload) is None
    assert gate.alarms == [f"command: replayed, key {KEY}, by duty-desk"] * 3


def test_a_number_stays_used_over_a_restart_even_if_the_nonce_came_again() -> None:
    gate = GateRig()
    payload = make_order(gate.order(OpenOnce()), CENTRE)
    gate.hear(payload)
    gate.draws = iter(range(9))  # a gate whose chance repeats itself
    gate.restart()
    assert gate.nonces.current() == "0" * 16
    assert gate.hear(payload) is None
    assert gate.openings == 1


def test_a_gate_that_lost_its_ledger_takes_nothing_from_before() -> None:
    gate = GateRig()
    payload = make_order(gate.order(OpenOnce()), CENTRE)
    gate.settings.clear()
    gate.restart()
    assert said(gate.hear(payload)) == refused(CommandReason.OLD_NONCE)
    assert gate.is_untouched()


@pytest.mark.parametrize("kept", ["{", "[]", '{"a": "1"}', '{"a": true}', "null"])
def test_numbers_that_cannot_be_read_are_counted_anew(kept: str) -> None:
    gate = GateRig(settings={COUNTERS_SETTING: kept})
    assert said(gate.tell(Ping())) == DONE


def test_an_order_that_was_refused_is_used_up_all_the_same() -> None:
    gate = GateRig()
    gate.tell(SetMode(Mode.CLOSED))
    payload = make_order(gate.order(OpenOnce(), counter=2), CENTRE)
    assert said(gate.hear(payload)) == refused(CommandReason.MODE_CLOSED)
    gate.tell(SetMode(Mode.NORMAL), counter=3)
    assert gate.hear(payload) is None
    assert gate.openings == 0


def test_a_late_order_is_refused_and_answered_and_an_alarm() -> None:
    gate = GateRig()
    payload = make_order(gate.order(OpenOnce()), CENTRE)
    gate.clock.advance(31)
    assert said(gate.hear(payload)) == refused(CommandReason.EXPIRED)
    assert gate.alarms == [f"command: expired, key {KEY}, by duty-desk"]
    assert gate.is_untouched()


def test_a_gate_without_a_clock_still_knows_an_old_order() -> None:
    gate = GateRig(is_clock_set=False)
    issued_at = NOW + timedelta(days=20_000)
    times = {"issued_at": issued_at, "expires_at": issued_at + timedelta(seconds=9)}
    late, soon = (make_order(gate.order(OpenOnce(), counter=n, **times), CENTRE) for n in (2, 1))
    assert said(gate.hear(soon)) == DONE, "its wall clock says nothing"
    gate.clock.advance(2 * NEW_EVERY_S)
    assert said(gate.hear(late)) == refused(CommandReason.OLD_NONCE)
    assert gate.openings == 1


def test_two_nonces_are_taken_and_each_lasts_two_minutes_at_most() -> None:
    gate = GateRig()
    first = gate.nonces.current()
    gate.clock.advance(NEW_EVERY_S - 1)
    assert gate.nonces.is_taken(first)
    gate.clock.advance(1)
    assert gate.nonces.is_taken(first)
    assert gate.nonces.current() != first
    gate.clock.advance(NEW_EVERY_S)
    assert not gate.nonces.is_taken(first)


def test_a_gate_that_stood_still_takes_no_nonce_from_before() -> None:
    gate = GateRig()
    before = gate.nonces.current()
    gate.clock.advance(2 * NEW_EVERY_S)
    assert not gate.nonces.is_taken(before)
    assert gate.nonces.current() != before


def test_a_key_that_leaves_the_trust_folder_orders_nothing_more() -> None:
    gate = GateRig()
    gate.trust = TrustList.of([trusted_key(CENTRE.public_key(), uses=["GP1"])])
    assert gate.tell(OpenOnce()) is None
    assert gate.alarms == ["command: wrong_use"]


def test_a_flood_is_told_and_does_not_fill_the_ledger() -> None:
    gate = GateRig()
    for _ in range(1_000):
        gate.hear(b"open")
    assert len(gate.recorded) == ALARMS_EACH_MINUTE
    gate.desk.watch()
    assert len(gate.recorded) == ALARMS_EACH_MINUTE
    gate.clock.advance(MINUTE_S)
    gate.desk.watch()
    untold = 1_000 - ALARMS_EACH_MINUTE
    assert gate.alarms[ALARMS_EACH_MINUTE:] == [f"command: {untold} more in the minute before"]
    gate.clock.advance(MINUTE_S)
    gate.desk.watch()
    assert len(gate.recorded) == ALARMS_EACH_MINUTE + 1


# --- lists, in their places ---------------------------------------------------------------------


def settings(folder: Path) -> CredentialSettings:
    return CredentialSettings(
        trust=folder,
        persons_list_file=folder / "persons.txt",
        duty_list_file=folder / "duty.txt",
        revocations=folder / "lists",
    )


def a_list(version: int, *, key: object = CENTRE) -> bytes:
    assert key in (CENTRE, STRANGER)
    signer = CENTRE if key is CENTRE else STRANGER
    due = NOW + timedelta(days=7)
    return make_list([b"lost-one"], signer, version=version, issued_at=NOW, next_at=due)


OFFICE_TRUST = TrustList.of([trusted_key(CENTRE.public_key(), uses=["revocations"])])


def put(folder: Path, which: ListName, data: bytes, known: int = 0) -> CommandReason | None:
    revocations = None
    if known:
        content = read_list(a_list(known), OFFICE_TRUST, NOW)
        assert not isinstance(content, Reason)
        revocations = Revocations((FoundList("a.rvl", content),))
    lists = PushedLists(lambda: settings(folder))
    return lists.put(ReplaceList(which, data), code_rules(OFFICE_TRUST, revocations), NOW)


def test_a_list_of_persons_is_replaced_as_a_whole_and_keeps_who_may_read_it(
    tmp_path: Path,
) -> None:
    persons = tmp_path / "persons.txt"
    persons.write_bytes(b"s-1\n")
    persons.chmod(0o604)
    assert put(tmp_path, ListName.PERSONS, b"s-2 2026-12-06\n") is None
    assert persons.read_bytes() == b"s-2 2026-12-06\n"
    assert persons.stat().st_mode & 0o777 == 0o604
    assert put(tmp_path, ListName.PERSONS, b"no pseudonym at all\n") is CommandReason.LIST_REFUSED
    assert persons.read_bytes() == b"s-2 2026-12-06\n"
    assert put(tmp_path, ListName.DUTY, b"t-1\n") is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["duty.txt", "persons.txt"]


def test_a_pushed_revocation_list_must_be_signed_and_newer(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    stranger = a_list(9, key=STRANGER)
    for data in (b"", b"lost-one\n", stranger):
        assert put(tmp_path, ListName.REVOCATIONS, data) is CommandReason.LIST_REFUSED
    for version in (4, 5):
        why = put(tmp_path, ListName.REVOCATIONS, a_list(version), known=5)
        assert why is CommandReason.LIST_OLDER
    assert list(lists.iterdir()) == []
    assert put(tmp_path, ListName.REVOCATIONS, a_list(6), known=5) is None
    assert put(tmp_path, ListName.REVOCATIONS, a_list(7), known=6) is None
    (kept,) = lists.iterdir()
    assert (kept.name, kept.read_bytes()) == (f"centre-{KEY}.rvl", a_list(7))


def test_a_list_without_a_place_or_with_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    bare = PushedLists(lambda: CredentialSettings(trust=tmp_path))
    for which in ListName:
        pushed = ReplaceList(which, a_list(1))
        assert bare.put(pushed, code_rules(OFFICE_TRUST), NOW) is CommandReason.NOT_CONFIGURED
    assert put(tmp_path / "gone", ListName.DUTY, b"t-1\n") is CommandReason.NOT_WRITABLE
