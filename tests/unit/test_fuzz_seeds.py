"""The fuzz targets without a fuzzer: what is kept, what they start from, some hundred changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fuzz import codes, mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of
from fuzz.keeping import MAX_BYTES, MAX_FILES, Steps, steps_of, telling
from fuzz.target import CORPUS, Escape, Target, cpu_ms, kept, load, names
from fuzz.targets import gp1
from fuzz.watching import Watched, escapes_in, executions_in
from gated.credentials import cbor

CHANGED = 400
TRIES = 3  # two slow cores, many tests at once: the least is what the code needs
MAX_KEPT_FILES = 300
MAX_KEPT_BYTES = 300_000
SIGNED = b"\0"
FORGED = {"changing": b"\2"}
"""The layer under a stranger's signature; in the other targets it is the second."""
CODES = ("changing", "gp1", "hc1", "nzcp", "shc", "wecom")


@pytest.mark.parametrize("name", names())
def test_nothing_that_is_kept_escapes_or_takes_long(name: str) -> None:
    target = load(name)
    for data in (*target.seeds(), *kept(name)):
        assert min(cpu_ms(target, data) for _ in range(TRIES)) <= target.max_cpu_ms


@pytest.mark.parametrize("name", names())
def test_some_seed_of_every_target_is_accepted(name: str) -> None:
    target = load(name)
    assert any(target.run(seed) for seed in target.seeds())


@pytest.mark.parametrize("name", CODES)
def test_a_code_is_accepted_as_it_is_and_refused_under_a_strangers_signature(name: str) -> None:
    target = load(name)
    assert target.run(target.seeds()[0])
    forged = FORGED.get(name, b"\1")
    answers = {target.run(seed) for seed in target.seeds() if seed[:1] == forged}
    assert answers == {False}


@pytest.mark.parametrize("name", names())
def test_nothing_escapes_from_some_hundred_changes(name: str) -> None:
    target = load(name)
    chance = random.Random(name)
    inputs = [*target.seeds(), *kept(name)]
    for _ in range(CHANGED):
        data = chance.choice(inputs)
        for _ in range(chance.choice((1, 1, 2, 3))):
            data = (target.mutate or mutators.of_bytes)(data, chance)
        target.run(data[: target.max_bytes])


@pytest.mark.parametrize("name", CODES)
def test_changes_under_the_signature_get_past_it(name: str) -> None:
    target = load(name)
    chance = random.Random(name)
    seeds = [seed for seed in target.seeds() if seed[:1] == SIGNED]
    assert target.mutate is not None
    changed = {target.mutate(chance.choice(seeds), chance)[1:] for _ in range(100)}
    forged = [FORGED.get(name, b"\1") + seed[1:] for seed in seeds]
    past_it = _steps(target, seeds) - _steps(target, forged)
    reaching = [data for data in changed if steps_of(target, SIGNED + data) & past_it]
    assert len(reaching) > len(changed) / 3


def _steps(target: Target, inputs: Iterable[bytes]) -> Steps:
    return frozenset(step for data in inputs for step in steps_of(target, data))


def test_the_kept_inputs_are_few_and_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(names())
    assert len(files) <= MAX_KEPT_FILES
    assert sum(path.stat().st_size for path in files) <= MAX_KEPT_BYTES
    for name in names():
        assert len(kept(name)) <= MAX_FILES
        assert all(len(data) <= MAX_BYTES for data in kept(name))


# --- the targets can fail -------------------------------------------------------------------------


def _target(make: Callable[[bytes], str], **kind: bool) -> Target:
    """Return a target around the school's signature that is told a lie about it."""
    return target_of([Layer(make, mutators.of_bytes, [], **kind)])


def test_a_strangers_signature_that_counts_is_an_escape() -> None:
    lie = _target(school.gp1, is_forged=True)
    with pytest.raises(Escape, match="stranger"):
        lie.run(b"\0" + gp1.CLAIMS[0])


def test_a_proof_of_what_no_seed_says_is_an_escape() -> None:
    lie = _target(AS_IT_IS)
    with pytest.raises(Escape, match="nobody signed"):
        lie.run(b"\0" + school.gp1(gp1.CLAIMS[0]).encode())


def test_what_a_reader_does_not_promise_to_raise_gets_out_of_a_target() -> None:
    def broken(_data: bytes) -> str:
        raise KeyError("sub")

    with pytest.raises(KeyError):
        _target(broken).run(b"\0")


def test_an_escape_is_written_down_once_for_each_place_and_the_search_goes_on(
    tmp_path: Path,
) -> None:
    def broken(data: bytes) -> bool:
        if data == b"key":
            raise KeyError("\ud800")
        return bool(data[7])

    watched = Watched(Target(run=broken, seeds=list), tmp_path)
    for data in (b"key", b"", b"key", b"x", b"long enough"):
        watched.run(data)
    assert executions_in(tmp_path) == 5
    escaped = escapes_in(tmp_path / "escapes")
    assert {path.read_bytes() for path in escaped} == {b"key", b""}
    stories = [path.with_suffix(".txt").read_text(encoding="utf-8") for path in escaped]
    assert sorted(story.splitlines()[-1].split(":")[0] for story in stories) == [
        "IndexError",
        "KeyError",
    ]
    Watched(Target(run=len, seeds=list), tmp_path).run(b"1")  # type: ignore[arg-type]  # any answer
    assert executions_in(tmp_path) == 6


def test_an_input_that_takes_too_long_every_time_is_an_escape(tmp_path: Path) -> None:
    def slow(data: bytes) -> bool:
        return sum(range(int(data))) > 0

    watched = Watched(Target(run=slow, seeds=list, max_cpu_ms=5.0), tmp_path, slowdown=1.0)
    for data in (b"10", b"3000000"):
        watched.run(data)
    [escaped] = escapes_in(tmp_path / "escapes")
    assert escaped.read_bytes() == b"3000000"
    assert escaped.with_suffix(".txt").read_text(encoding="utf-8").endswith(" ms\n")


def test_the_inputs_that_are_kept_reach_what_all_of_them_reach() -> None:
    target = load("value_sheet")
    inputs = [b"GV1:36.6", b"GV1:36.7", b"GV2", b"GV3", b"GV1:99.9", b"x" * (MAX_BYTES + 1)]
    only_good = Target(run=target.run, seeds=lambda: [b"GV1:36.5"])
    assert telling(only_good, inputs) == [b"GV2"]


def test_an_input_that_escapes_is_not_kept() -> None:
    def broken(data: bytes) -> bool:
        if data == b"GV3":
            raise KeyError
        return load("value_sheet").run(data)

    assert telling(Target(run=broken, seeds=list), [b"GV2", b"GV3"]) == [b"GV2"]


def test_any_bytes_are_a_text() -> None:
    assert codes.text_of(b"GP1:\xff\xed\xa0\x80") == "GP1:\udcff\udced\udca0\udc80"


# --- the trees ------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [trees.CBOR, trees.JSON])
def test_a_tree_is_written_as_it_was_read(syntax: trees.Syntax) -> None:
    data = {
        trees.CBOR: cbor.encode({1: ["x", -1, 1.5, None, b"y"], "k": cbor.Tagged(18, {2: [True]})}),
        trees.JSON: b'{"a":[1,-1.5,null,true,{"b":"x","b":[]}],"":"\\u00e9"}',
    }[syntax]
    assert syntax.write(syntax.read(data)) == data


@pytest.mark.parametrize(
    "data", [b"", b"\x81", b"\x01\x01", b"\x5f\x41a\xff", b"\x81" * 100, b"\x9b" + 8 * b"\xff"]
)
def test_what_is_no_tree_is_changed_byte_by_byte(data: bytes) -> None:
    with pytest.raises(trees.NotATree):
        trees.CBOR.read(data)
    assert isinstance(mutators.of_tree(trees.CBOR)(data, random.Random(1)), bytes)


def test_most_changed_trees_are_still_trees_and_no_two_alike() -> None:
    chance = random.Random(1)
    changed = [trees.change(gp1.CLAIMS[1], trees.CBOR, chance) for _ in range(300)]
    assert len(set(changed)) > 200
    well_formed = 0
    for data in changed:
        try:
            trees.CBOR.read(data)
        except trees.NotATree:
            continue
        well_formed += 1
    assert well_formed > 150
