"""Orders as they are signed and read: what is no order of the centre is refused unread."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gated.carried import MAX_COMMAND_BYTES, frame, unframe
from gated.clock import BUILT_AT
from gated.contents import CommandReason
from gated.credentials import cbor, cose
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.revocation import LIST_TYPE, read_list
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.credentials.trusted_keys import KNOWN_USES, USE_COMMANDS, TrustList
from gated.deeds import (
    MAX_CONFIG_VALUES,
    MAX_COUNTER,
    MAX_LIST_BYTES,
    MAX_RESENT,
    AddTrust,
    Deed,
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
    Unsupported,
)
from gated.errors import GatedError
from gated.orders import (
    CLAIM_ARGUMENTS,
    CLAIM_AUDIENCE,
    CLAIM_BY,
    CLAIM_COMMAND,
    CLAIM_COUNTER,
    CLAIM_EXPIRES,
    CLAIM_ID,
    CLAIM_ISSUED,
    CLAIM_NONCE,
    MAX_LIFETIME_S,
    ORDER_TYPE,
    SignedOrder,
    is_permitted,
    make_order,
    read_order,
    why_not_now,
)
from gated.vocabulary import Mode, Reason
from tests.command_rig import CENTRE, CONFIG_TRUST, STRANGER, TRUST, TRUST_TRUST, order_of
from tests.signed_codes import trusted_key

NOW = BUILT_AT + timedelta(days=1)
DEEDS: tuple[Deed, ...] = (
    Ping(),
    OpenOnce(),
    SetMode(Mode.CLOSED),
    SetMode(Mode.OBSERVE, 3_600),
    SetDrill(is_on=True),
    SetDrill(is_on=False),
    Resend(1, MAX_RESENT),
    ReplaceList(ListName.DUTY, b"s-1 2026-12-06\n"),
    SetConfig({}),
    SetConfig({"temperature.fever_threshold_c": 37.5, "gate.languages": ["en", "zh-Hans"]}),
    SetConfig(
        {"checks.exit_reader": True, "temperature.max_attempts": 3, "checks.credential": "x"}
    ),
    RollBackConfig(),
    AddTrust("desk-2", bytes(MAX_LIST_BYTES)),
    RemoveTrust("desk-2"),
    Diagnose(),
)
ISSUED_S = int(NOW.timestamp())
CLAIMS: dict[CborKey, CborValue] = {
    CLAIM_AUDIENCE: "school/east-1",
    CLAIM_EXPIRES: ISSUED_S + 30,
    CLAIM_ISSUED: ISSUED_S,
    CLAIM_ID: bytes(16),
    CLAIM_COUNTER: 1,
    CLAIM_NONCE: "0" * 16,
    CLAIM_COMMAND: "open",
    CLAIM_ARGUMENTS: {},
    CLAIM_BY: "duty-desk",
}


def signed(
    claims: dict[CborKey, CborValue],
    key: PrivateKey = CENTRE,
    message_type: str | None = ORDER_TYPE,
) -> bytes:
    payload, key_id = cbor.encode(claims), key_fingerprint(key.public_key())
    return cose.sign1(payload, key, key_id, message_type=message_type)


def read(data: bytes, trust: TrustList = TRUST) -> Deed | CommandReason:
    found = read_order(data, trust, NOW)
    return found.order.deed if isinstance(found, SignedOrder) else found


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_an_order_is_read_as_it_was_given(deed: Deed) -> None:
    order = order_of(deed)
    found = read_order(make_order(order, CENTRE), TRUST, NOW)
    assert isinstance(found, SignedOrder)
    assert found.order == order
    assert found.signer.fingerprint == key_fingerprint(CENTRE.public_key())


def test_claims_spelled_out_are_an_order() -> None:
    assert read(signed(CLAIMS)) == OpenOnce()


# --- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uses", [None, [], *([use] for use in sorted(KNOWN_USES - {USE_COMMANDS}))]
)
def test_no_other_use_of_a_key_includes_commands(uses: list[str] | None) -> None:
    trust = TrustList.of([trusted_key(CENTRE.public_key(), uses=uses)])
    assert read(signed(CLAIMS), trust) is CommandReason.WRONG_USE


def test_a_stranger_and_a_forger_are_told_apart_for_the_alarm() -> None:
    assert read(signed(CLAIMS, STRANGER)) is CommandReason.UNKNOWN_KEY
    payload, key_id = cbor.encode(CLAIMS), key_fingerprint(CENTRE.public_key())
    forged = cose.sign1(payload, STRANGER, key_id, message_type=ORDER_TYPE)
    assert read(forged) is CommandReason.BAD_SIGNATURE


def test_only_ed25519_signs_commands() -> None:
    key = ec.derive_private_key(123_456_789, ec.SECP256R1())
    trust = TrustList.of([trusted_key(key.public_key(), uses=[USE_COMMANDS])])
    assert read(signed(CLAIMS, key), trust) is CommandReason.WRONG_USE


def test_changes_of_configuration_and_of_trust_are_uses_apart() -> None:
    apart = (SetConfig({}), RollBackConfig(), AddTrust("desk", b""), RemoveTrust("desk"))
    for trust, permitted in (
        (TRUST, [False] * 4),
        (CONFIG_TRUST, [True, True, False, False]),
        (TRUST_TRUST, [False, False, True, True]),
    ):
        signed = [
            read_order(make_order(order_of(deed), CENTRE), trust, NOW)
            for deed in (*apart, OpenOnce(), Diagnose())
        ]
        assert [isinstance(s, SignedOrder) and is_permitted(s) for s in signed] == [
            *permitted,
            True,
            True,
        ]


@pytest.mark.parametrize("message_type", [None, LIST_TYPE, "gated-command", "application/cwt"])
def test_what_was_signed_as_something_else_is_no_command(message_type: str | None) -> None:
    assert read(signed(CLAIMS, message_type=message_type)) is CommandReason.MALFORMED


def test_a_command_is_neither_a_code_nor_a_list() -> None:
    order = signed(CLAIMS)
    with pytest.raises(MalformedCode):
        cose.parse_sign1(order)
    trust = TrustList.of([trusted_key(CENTRE.public_key(), uses=["revocations", USE_COMMANDS])])
    assert read_list(order, trust, NOW) is Reason.MALFORMED


# --- what it says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (CLAIM_AUDIENCE, "school"),
        (CLAIM_AUDIENCE, "school/+"),
        (CLAIM_AUDIENCE, "school/east-1/cmd"),
        (CLAIM_AUDIENCE, ["school/east-1"]),
        (CLAIM_EXPIRES, ISSUED_S),
        (CLAIM_EXPIRES, ISSUED_S + MAX_LIFETIME_S + 1),
        (CLAIM_ISSUED, -1),
        (CLAIM_ISSUED, 2**62),
        (CLAIM_ISSUED, float(ISSUED_S)),
        (CLAIM_ID, b"short"),
        (CLAIM_ID, bytes(17)),
        (CLAIM_COUNTER, 0),
        (CLAIM_COUNTER, MAX_COUNTER + 1),
        (CLAIM_COUNTER, True),
        (CLAIM_NONCE, ""),
        (CLAIM_NONCE, "0" * 17),
        (CLAIM_NONCE, bytes(8)),
        (CLAIM_COMMAND, "Open"),
        (CLAIM_COMMAND, 1),
        (CLAIM_ARGUMENTS, None),
        (CLAIM_BY, ""),
        (CLAIM_BY, "a\nb"),
        (CLAIM_BY, "x" * 49),
        (99, 1),
    ],
)
def test_a_claim_out_of_its_bounds_refuses_the_whole(claim: int, value: CborValue) -> None:
    assert read(signed({**CLAIMS, claim: value})) is CommandReason.MALFORMED


@pytest.mark.parametrize("claim", sorted(CLAIMS, key=str))
def test_no_claim_may_be_missing(claim: CborKey) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    assert read(signed(claims)) is CommandReason.MALFORMED


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("close", {}),
        ("open", {"times": 2}),
        ("mode", {}),
        ("mode", {"mode": "open"}),
        ("mode", {"mode": "closed", "at": 1}),
        ("drill", {"is_on": 1}),
        ("list", {"list": "trust", "data": b""}),
        ("list", {"list": "duty", "data": "text"}),
        ("unsupported", {}),
        ("config", {}),
        ("config", {"rollback": False}),
        ("config", {"values": {}, "rollback": True}),
        ("trust", {}),
        ("trust", {"add": "desk"}),
        ("trust", {"add": "desk", "data": "text"}),
        ("trust", {"add": "desk", "data": b"", "remove": "desk"}),
        ("trust", {"add": "../desk", "data": b""}),
        ("trust", {"add": "desk", "data": bytes(MAX_LIST_BYTES + 1)}),
        ("trust", {"remove": "Desk"}),
        ("trust", {"remove": ""}),
        ("diagnose", {"lines": 500}),
        ("config", {"values": {f"checks.k{n}": 1 for n in range(MAX_CONFIG_VALUES + 1)}}),
    ],
)
def test_what_this_version_does_not_know_is_read_as_such_and_not_guessed(
    command: str, arguments: CborValue
) -> None:
    claims = {**CLAIMS, CLAIM_COMMAND: command, CLAIM_ARGUMENTS: arguments}
    assert read(signed(claims)) == Unsupported()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("mode", {"mode": "closed", "for_s": 0}),
        ("mode", {"mode": "closed", "for_s": 1.5}),
        ("resend", {"first_seq": 0, "last_seq": 1}),
        ("resend", {"first_seq": 5, "last_seq": 4}),
        ("resend", {"first_seq": 1, "last_seq": MAX_RESENT + 1}),
        ("config", {"values": {"checks": 1}}),
        ("config", {"values": {"checks.__class__.x": 1, 5: 1}}),
        ("config", {"values": {"checks.credential": {"a": 1}}}),
        ("config", {"values": {"gate.languages": [1]}}),
        ("config", {"values": {"gate.languages": ["a\nb"]}}),
    ],
)
def test_numbers_of_a_command_have_bounds(command: str, arguments: CborValue) -> None:
    claims = {**CLAIMS, CLAIM_COMMAND: command, CLAIM_ARGUMENTS: arguments}
    assert read(signed(claims)) is CommandReason.MALFORMED


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "somebody else"},
        {"gate": "school"},
        {"counter": 0},
        {"expires_at": NOW + timedelta(hours=1)},
        {"issued_at": NOW + timedelta(microseconds=1)},
        {"deed": Resend(4, 3)},
        {"deed": ReplaceList(ListName.DUTY, bytes(4_000))},
    ],
    ids=str,
)
def test_the_centre_does_not_sign_what_every_gate_would_refuse(wrong: dict[str, Any]) -> None:
    with pytest.raises(GatedError, match="would be refused at every gate"):
        make_order(replace(order_of(), **wrong), CENTRE)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_are_more_than_refused(data: bytes) -> None:
    assert isinstance(read(data), CommandReason)


@given(st.data())
def test_a_command_with_one_byte_changed_or_its_end_cut_off_is_none(data: st.DataObject) -> None:
    whole = bytearray(signed(CLAIMS))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    assert isinstance(read(bytes(whole)), CommandReason)


# --- this moment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after_s", "why"),
    [
        (-31, CommandReason.NOT_YET_VALID),
        (-30, None),
        (0, None),
        (29, None),
        (30, CommandReason.EXPIRED),
    ],
)
def test_a_good_clock_says_whether_an_order_is_of_this_moment(
    after_s: int, why: CommandReason | None
) -> None:
    now = NOW + timedelta(seconds=after_s)
    assert why_not_now(order_of(), is_nonce=lambda _: True, now=now) is why
    assert why_not_now(order_of(), is_nonce=lambda _: True, now=None) is None


def test_without_the_gates_nonce_no_clock_helps() -> None:
    for now in (NOW, None):
        why = why_not_now(order_of(), is_nonce=lambda nonce: nonce != "0" * 16, now=now)
        assert why is CommandReason.OLD_NONCE


# --- between the uplink and the controller ------------------------------------------------------


def test_the_uplink_carries_a_command_unread_and_how_it_came() -> None:
    assert unframe(frame(b"x", is_retained=False)) == b"x"
    assert unframe(frame(b"", is_retained=False)) == b""
    assert unframe(frame(b"x", is_retained=True)) is CommandReason.RETAINED
    most = bytes(MAX_COMMAND_BYTES)
    assert unframe(frame(most, is_retained=False)) == most
    assert len(frame(most + b"x", is_retained=False)) == 1
    assert unframe(frame(most + b"x", is_retained=True)) is CommandReason.TOO_LARGE
    for other in (b"", b"x", b"?open", b"f" + most + b"x"):
        assert isinstance(unframe(other), CommandReason)


def test_an_order_does_not_show_the_list_that_it_carries() -> None:
    order = order_of(ReplaceList(ListName.PERSONS, b"s-0412"))
    assert "s-0412" not in repr(order)
    assert "s-0412" not in repr(replace(order, counter=2))
