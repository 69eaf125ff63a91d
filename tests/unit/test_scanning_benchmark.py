"""The scanner's benchmark: its pictures are reproducible, its counts are right."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scans import (
    Case,
    Outcome,
    Quantiles,
    Row,
    Share,
    find_truths,
    is_true,
    load_empties,
    load_photos,
    normalise,
    shares_by,
    unite,
)
from benchmarks.scans.beside import KnownDecoders
from benchmarks.scans.decoders import load_known
from benchmarks.scans.empties import SYMBOLOGIES, EmptyCell, empty_cells, render_empty
from benchmarks.scans.moving import StreamTask, follow
from benchmarks.scans.rendered import COLOURS, KINDS, PAYLOADS, Cell, cells, render
from benchmarks.scans.shipped import shipped_steps
from benchmarks.scans.singles import examine
from benchmarks.scans.streams import Stream, render_stream, stream_cells
from gated.scanner.picture import encode_picture, parse_picture
from gated.tuning.shares import wilson

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT.parent / "shared" / "generators" / "rendered_codes.py"
EASY = Cell("black", "shake", 1, 0, "token")

# --- pictures ------------------------------------------------------------------------------------


def test_the_same_arguments_give_the_same_picture_and_another_seed_another_one() -> None:
    cell = Cell("yellow", "glare", 2, 5, "token")
    first, again = render(cell), render(cell)
    assert np.array_equal(first.pixels, again.pixels)
    assert (first.text, first.jpeg) == (again.text, again.jpeg)
    other = render(Cell("yellow", "glare", 2, 6, "token"))
    assert other.text != first.text
    assert not np.array_equal(other.pixels, first.pixels)


def test_a_rendered_picture_is_what_its_jpeg_decodes_to() -> None:
    found = render(Cell("red", "clean", 0, 0, "dcc"))
    decoded = parse_picture(found.jpeg)
    assert isinstance(decoded, np.ndarray)
    assert np.array_equal(decoded, found.pixels)
    assert found.pixels.shape == (720, 1280, 3)


def test_the_five_colours_of_a_cell_share_the_text_and_the_pose() -> None:
    found = [render(Cell(colour, "tilt", 3, 1, "token")) for colour in ("black", "lemon")]
    assert found[0].text == found[1].text
    assert np.array_equal(found[0].corners, found[1].corners)


def test_there_are_560_cells_all_different_and_no_seed_has_one_of_its_neighbour() -> None:
    assert len(set(cells(0))) == len(COLOURS) * 56 * len(PAYLOADS) == 560
    assert {cell.kind for cell in cells(0)} == set(KINDS)
    assert not set(cells(0)) & set(cells(1))


@pytest.mark.skipif(not GENERATOR.is_file(), reason="the generator is not beside this repository")
def test_the_pictures_are_those_of_the_generator_that_they_are_copied_from() -> None:
    chosen = [list(cells(0))[at] for at in (3, 34, 122, 191, 231, 275, 351)]
    frame = runpy.run_path(str(GENERATOR))["frame"]
    for cell in chosen:
        pixels, text, _ = frame(cell.colour, cell.kind, cell.severity, cell.seed, cell.payload)
        found = render(cell)
        assert found.text == text
        assert np.array_equal(found.pixels, pixels), cell.name


def test_a_streams_frames_differ_and_come_again_with_the_same_seed() -> None:
    frames = list(render_stream(EASY, 3))
    assert len({frame.jpeg for frame in frames}) == 3
    assert len({frame.text for frame in frames}) == 1
    assert not np.array_equal(frames[0].corners, frames[1].corners)
    stream = Stream(EASY)
    assert stream.frame(2).jpeg == frames[2].jpeg  # in any order, however many are asked for
    other = Stream(Cell("black", "shake", 1, 1, "token"))
    assert other.text != stream.text


def test_every_kind_of_stream_is_there_in_every_colour() -> None:
    assert len(set(stream_cells(0))) == 5 * 9 * 3 * 2


@pytest.mark.parametrize("name", ["MicroQRCode", "DataMatrix", "spoilt-code", "person 0", "noise"])
def test_an_empty_frame_is_reproducible(name: str) -> None:
    cell = next(cell for cell in empty_cells(0) if cell.name == name)
    first, again = render_empty(cell), render_empty(cell)
    assert first is not None
    assert again is not None
    assert first.jpeg == again.jpeg
    other = render_empty(EmptyCell(cell.group, name, cell.pose, 1))
    assert other is not None
    assert other.jpeg != first.jpeg


def test_every_other_symbology_can_be_written() -> None:
    found = {cell.name for cell in empty_cells(0) if cell.group == "symbology"}
    assert found == set(SYMBOLOGIES)
    assert "QRCode" not in found


# --- truths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", ["a\nb", "a\r\nb", "a\rb", "a\nb\n", "\ufeffa\nb\r\n"])
def test_ends_of_lines_do_not_count(stored: str) -> None:
    assert normalise(stored) == "a\nb"
    assert is_true(stored, ("a\nb",))


def test_spaces_count() -> None:
    assert normalise("a  ") == "a  "
    assert not is_true("a", ("a ",))


def test_a_charset_that_was_guessed_wrongly_is_undone() -> None:
    assert is_true("Größe".encode().decode("latin-1"), ("Größe",))
    assert not is_true("Grosse", ("Größe",))


def test_a_picture_may_have_several_truths_or_none(tmp_path: Path) -> None:
    picture = encode_picture(np.zeros((8, 8, 3), np.uint8))
    for name in ("one", "two", "empty", "without"):
        (tmp_path / f"{name}.png").write_bytes(picture)
    (tmp_path / "one.txt").write_bytes(b"A\r\n")
    (tmp_path / "one.result.txt").write_text("ecLevel=M")
    (tmp_path / "two.txt").write_text("A")
    (tmp_path / "two.2.txt").write_text("B")
    (tmp_path / "empty.txt").write_text("")
    cases, without = load_photos([tmp_path])
    assert {case.name.partition("/")[2]: case.truths for case in cases} == {
        "empty.png": (),
        "one.png": ("A",),
        "two.png": ("A", "B"),
    }
    assert [Path(name).name for name in without] == ["without.png"]
    assert len(find_truths(tmp_path / "two.png")) == 2
    assert len(load_empties([tmp_path])) == 4


# --- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_the_interval_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count) == pytest.approx((low, high), abs=6e-5)


def test_of_no_trial_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert Share(0, 0).as_dict()["percent"] is None
    assert json.dumps(Quantiles.of([]).as_dict()) == '{"p50": null, "p95": null, "n": 0}'


def test_a_row_counts_reads_false_reads_and_times_apart() -> None:
    row = Row("zxing")
    for outcome in (
        Outcome(True, 0, 1.0),
        Outcome(True, 1, 3.0),
        Outcome(False, 1, 10.0),
        Outcome(False, 0, 0.0, is_skipped=True),
    ):
        row.add(outcome)
    assert (row.share, row.wrong) == (Share(2, 3), 2)
    assert row.mean_ms == pytest.approx(14 / 3)
    assert (row.times_ms(is_read=True), row.times_ms(is_read=False)) == ([1.0, 3.0], [10.0])


def test_the_union_has_what_any_of_them_read() -> None:
    rows = []
    for reads in ((True, False, False), (False, False, True)):
        row = Row("one")
        for is_read in reads:
            row.add(Outcome(is_read, 0, 1.0))
        rows.append(row)
    found = unite(rows)
    assert found == [True, False, True]
    assert shares_by(found, ["a", "b", "a"]) == {"a": Share(2, 2), "b": Share(0, 1)}


# --- the gate's scanner and the others -----------------------------------------------------------


def test_decoders_that_are_not_installed_are_named() -> None:
    known, missing = load_known()
    assert "zxing grey" in {each.name for each in known}
    assert all(each.reason for each in missing)
    # every family is either there or missing
    families = ("zxing", "pyzbar", "quirc", "qrlyzer", "cv2", "wechat")
    told = " ".join([*(each.name for each in known), *(each.name for each in missing)])
    assert all(family in told for family in families)


def test_a_clean_code_is_read_by_the_steps_and_an_empty_frame_by_none() -> None:
    case, outcomes = examine(Cell("black", "clean", 0, 0, "token"))
    assert set(outcomes) == {step.name for step in shipped_steps()}
    assert case.colour == "black"
    assert sum(outcome.is_read for outcome in outcomes.values()) > len(outcomes) / 2
    _, nothing = examine(EmptyCell("symbology", "MicroQRCode", 0, 0))
    assert not any(outcome.is_read or outcome.wrong for outcome in nothing.values())


def test_the_decoders_answer_from_a_process_of_their_own() -> None:
    code = render(Cell("black", "clean", 0, 0, "token"))
    cases = [
        Case("code", code.jpeg, (code.text,), is_rendered=True),
        Case("other", code.jpeg, ("another text",), is_rendered=True),
    ]
    known = KnownDecoders(Path(sys.executable), 1)
    try:
        first, second = known.examine("test", cases)
        assert set(first) <= set(known.hello.names)
        assert first["zxing grey"].is_read
        assert first["zxing grey"].wrong == 0
        assert not second["zxing grey"].is_read
        assert second["zxing grey"].wrong == 1
    finally:
        known.close()


def test_an_easy_stream_is_told_by_the_loop() -> None:
    outcome = follow(StreamTask(EASY, 3))
    assert outcome.told_after == 1
    assert outcome.is_any_alone(1)
    assert outcome.wrong == 0
