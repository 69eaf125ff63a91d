"""Records on the wire: frozen bytes, the chain, the deletable link, the cap."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.contents import CONTENT_OF_KIND, AlarmContent, AlarmName, Content, HealthContent, Kind
from gated.errors import WireError
from gated.received import parse_members, parse_record
from gated.wire import (
    GENESIS,
    MAX_BODY_BYTES,
    PersonLink,
    chain_hash,
    commit_to_holder,
    encode_body,
    join_link,
    split_link,
)
from tests.wire_golden import CONTENTS, GOLDEN, LINK, draft, place

CHAIN = {
    kind: bytes.fromhex(digest)
    for kind, digest in json.loads((GOLDEN / "chain.json").read_text(encoding="utf-8")).items()
}
SEQ_OF = {content.kind: seq for seq, content in enumerate(CONTENTS, 1)}


def prev_of(content: Content) -> bytes:
    seq = SEQ_OF[content.kind]
    return GENESIS if seq == 1 else CHAIN[CONTENTS[seq - 2].kind]


def body_of(content: Content) -> bytes:
    return encode_body(draft(content), place(SEQ_OF[content.kind], prev_of(content)))


# --- frozen bytes --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_a_record_is_written_as_version_1_has_always_written_it(content: Content) -> None:
    message = (GOLDEN / f"{content.kind}.json").read_bytes()
    assert join_link(body_of(content), draft(content).link) == message


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_a_frozen_record_is_still_read(content: Content) -> None:
    message = (GOLDEN / f"{content.kind}.json").read_bytes()
    body, link = split_link(message)
    record = parse_record(body)
    assert (record.kind, record.seq) == (content.kind, SEQ_OF[content.kind])
    members = content.members()
    assert {name: record.member(name) for name in members} == members
    assert link == draft(content).link


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_the_chain_is_what_it_has_always_been(content: Content) -> None:
    body, _ = split_link((GOLDEN / f"{content.kind}.json").read_bytes())
    seq = SEQ_OF[content.kind]
    assert chain_hash(prev_of(content), seq, body) == CHAIN[content.kind]
    spelled_out = hashlib.sha256(
        prev_of(content) + seq.to_bytes(8, "big") + hashlib.sha256(body).digest()
    )
    assert spelled_out.digest() == CHAIN[content.kind]
    assert json.loads(body)["prev"] == prev_of(content)[:8].hex()


def test_every_kind_has_a_frozen_record() -> None:
    assert {content.kind for content in CONTENTS} == set(Kind) == set(CONTENT_OF_KIND)
    files = {path.stem for path in GOLDEN.glob("*.json")} - {"chain"}
    assert files == {kind.value for kind in Kind}


def test_no_member_of_a_kind_hides_one_of_the_head() -> None:
    head = set(json.loads(body_of(CONTENTS[0]))) - set(type(CONTENTS[0]).model_fields)
    for content_type in CONTENT_OF_KIND.values():
        assert not head & set(content_type.model_fields)
        assert "link" not in content_type.model_fields


def test_the_body_is_the_same_with_the_link_and_once_it_is_deleted() -> None:
    body = body_of(CONTENTS[1])
    assert split_link(join_link(body, LINK))[0] == split_link(body)[0] == body


def test_the_commitment_is_salted_and_hides_the_holder() -> None:
    expected = hashlib.sha256(f"{LINK.salt}\0{LINK.holder_ref}".encode()).digest()[:8]
    assert commit_to_holder(LINK) == urlsafe_b64encode(expected).rstrip(b"=").decode()
    other = PersonLink(LINK.holder_ref, "another salt")
    assert commit_to_holder(other) != commit_to_holder(LINK)


# --- the cap -------------------------------------------------------------------------------------


def test_a_record_beyond_16_kib_is_refused_when_it_is_written() -> None:
    def health(devices: int) -> HealthContent:
        states = {f"device-{n:05}": "ok" for n in range(devices)}
        return HealthContent(devices=states, backlog=0, rss_kb=0, disk_free_kb=0)

    fits = encode_body(draft(health(800)), place(1, GENESIS))
    assert len(fits) <= MAX_BODY_BYTES
    with pytest.raises(WireError, match="exceeds 16384"):
        encode_body(draft(health(900)), place(1, GENESIS))


def test_the_cap_counts_bytes_not_characters() -> None:
    content = AlarmContent(alarm=AlarmName.STAFF_CALLED, detail="校" * 200)
    body = encode_body(draft(content), place(1, GENESIS))
    assert "校".encode() * 200 in body


# --- what JSON cannot say ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_number_that_is_not_finite_is_refused_however_it_came_in(
    number: float, *, is_nested: bool
) -> None:
    visit = next(content for content in CONTENTS if content.kind is Kind.VISIT)
    update = {"readings_c": (36.5, number)} if is_nested else {"body_c": number}
    unchecked = visit.model_copy(update=update)
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_body(draft(unchecked), place(1, GENESIS))


def test_a_text_may_say_nan_and_infinity() -> None:
    content = AlarmContent(alarm=AlarmName.STAFF_CALLED, detail="NaN, -Infinity")
    body = encode_body(draft(content), place(1, GENESIS))
    assert parse_record(body).member("detail") == "NaN, -Infinity"


# --- the link ------------------------------------------------------------------------------------

HOSTILE = st.sampled_from(
    [',"link":{', '","link":{"holder_ref":"x","salt":"y"}}', "}}", '"', "\\", "\0", "\x7f", "校"]
)
TEXTS = st.lists(st.text(max_size=20) | HOSTILE, max_size=4).map("".join)
LINKS = st.none() | st.builds(PersonLink, TEXTS, TEXTS)


@given(detail=TEXTS.filter(lambda text: len(text) <= 200), link=LINKS)
def test_body_and_link_come_apart_as_they_were_joined(detail: str, link: PersonLink | None) -> None:
    content = AlarmContent(alarm=AlarmName.STAFF_CALLED, detail=detail)
    body = encode_body(draft(content), place(1, GENESIS))
    assert split_link(join_link(body, link)) == (body, link)
    assert parse_record(body).member("detail") == detail


BODY = b'{"v":1,"kind":"visit"'


@pytest.mark.parametrize(
    "tail",
    [
        b',"link":{"holder_ref":"x"}}',
        b',"link":{"salt":"y"}}',
        b',"link":{"holder_ref":1,"salt":"y"}}',
        b',"link":{"holder_ref":"x","salt":null}}',
        b',"link":{"holder_ref":"x","salt":"y"}',
        b',"link":{"holder_ref":"x","salt":"y"},"v":1}',
        b',"link":{"holder_ref":"x","salt":"y"}]',
        b',"link":{"holder_ref":"\\ud800","salt":"y"}}',
        b',"link":{"holder_ref":"\xff","salt":"y"}}',
        b',"link":{"holder_ref":"x","holder_ref":"z","salt":"y"}}',
        b',"link":{}}',
        b',"link":{',
        b',"link":{' + b'"a":{' * 100_000 + b"}}",
    ],
)
def test_a_link_that_is_not_one_is_refused(tail: bytes) -> None:
    with pytest.raises(WireError):
        split_link(BODY + tail)


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda rest: BODY + b',"link":{' + rest))
def test_no_bytes_raise_anything_but_our_own_error(message: bytes) -> None:
    try:
        body, link = split_link(message)
    except WireError:
        return
    assert link is not None or body == message


# --- what a receiver refuses ---------------------------------------------------------------------

GOOD = body_of(CONTENTS[1])


@pytest.mark.parametrize(
    ("member", "bad"),
    [
        ('"v":1', '"v":2'),
        ('"kind":"visit"', '"kind":"Visit"'),
        ('"epoch":"k3v4q2m7x2c5d4zt"', '"epoch":"K3V4Q2M7X2C5D4ZT"'),
        ('"seq":2', '"seq":0'),
        ('"seq":2', '"seq":9223372036854775808'),
        ('"seq":2', '"seq":2.5'),
        ('"boot":37', '"boot":null'),
        ('"mode":"normal"', '"mode":"open"'),
        ('"time_quality":"trusted"', '"time_quality":"good"'),
        ('"outcome":"see_staff"', '"outcome":"refused"'),
        ('"body_c":37.42', '"body_c":"warm"'),
        ('"body_c":37.42', '"body_c":NaN'),
        ('"body_c":37.42', '"body_c":1e999'),
        ('"body_c":37.42', '"body_c":"nan"'),
        ('"body_c":37.42', '"body_c":"1e999"'),
        ('"body_c":37.42', '"body_c":1' + "0" * 400),
        ('"site":"lixin-primary",', ""),
    ],
)
def test_a_record_with_a_member_out_of_its_set_is_refused(member: str, bad: str) -> None:
    assert member in GOOD.decode()
    body = GOOD.decode().replace(member, bad, 1).encode()
    for parse in (parse_record, parse_members):
        with pytest.raises(WireError):
            parse(body)


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content.kind)
def test_the_members_of_a_record_are_those_that_were_written(content: Content) -> None:
    body = body_of(content)
    members = parse_members(body)
    assert set(members) == set(json.loads(body))
    record = parse_record(body)
    assert (members["seq"], members["mode"]) == (record.seq, record.mode)
    assert type(content).model_validate({name: members[name] for name in content.members()}) == (
        content
    )


def test_a_member_is_of_its_type_however_it_is_spelled() -> None:
    body = GOOD.replace(b'"body_c":37.42', b'"body_c":"37"').replace(b'"seq":2', b'"seq":2.0')
    members = parse_members(body)
    assert (type(members["body_c"]), members["body_c"]) == (float, 37.0)
    assert (type(members["seq"]), members["seq"]) == (int, 2)


def test_members_that_nobody_has_checked_are_none() -> None:
    assert "alarm" not in parse_members(GOOD[:-1] + b',"alarm":[1]}')
    unknown = parse_members(GOOD.replace(b'"kind":"visit"', b'"kind":"vaccination"'))
    assert (unknown["kind"], "outcome" in unknown) == ("vaccination", False)


def test_a_member_that_a_later_version_adds_is_let_through() -> None:
    record = parse_record(GOOD[:-1] + b',"mask":"worn"}')
    assert record.member("mask") == "worn"
    assert record.member("no_such_member") is None


def test_a_kind_that_a_later_version_adds_is_let_through_unchecked() -> None:
    record = parse_record(GOOD.replace(b'"kind":"visit"', b'"kind":"vaccination"'))
    assert record.kind == "vaccination"


def test_the_error_says_where_and_never_repeats_the_value() -> None:
    with pytest.raises(WireError, match=r"^outcome: ") as caught:
        parse_record(GOOD.replace(b'"outcome":"see_staff"', b'"outcome":"Li Xiaoming"'))
    assert "Li Xiaoming" not in str(caught.value)
