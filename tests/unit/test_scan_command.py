from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gated.cli import main
from gated.commands.scan import printable
from gated.scanner.picture import encode_picture
from gated.simulation.screens import render_empty, render_phone

ODD = "first\nsecond\x1b[2J\u202e"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b-code.png").write_bytes(encode_picture(render_phone("通行 GP1:ABC", seed=1)))
    (tmp_path / "a-empty.jpg").write_bytes(encode_picture(render_empty(2), ".jpg"))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_picture_of_a_folder_is_one_line_in_order_of_their_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", "--json", str(folder)]) == 0
    empty, code = _lines(capsys)
    assert (empty["file"], empty["texts"], empty["decoder"]) == (
        str(folder / "a-empty.jpg"), [], None,
    )  # fmt: skip
    assert (code["texts"], code["decoder"]) == (["通行 GP1:ABC"], "zxing")
    assert isinstance(code["cpu_ms"], float)
    assert set(code) == {"file", "texts", "decoder", "cpu_ms"}


def test_texts_are_written_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", "--json", str(folder / "b-code.png")])
    assert "通行" in capsys.readouterr().out


def test_files_that_cannot_be_used_are_named_and_the_others_still_read(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [folder / "absent.png", folder / "notes.txt", folder / "b-code.png"]
    assert main(["scan", "--json", *map(str, files)]) == 1
    absent, notes, code = _lines(capsys)
    assert (absent["texts"], absent["error"]) == ([], "no such file")
    assert (notes["decoder"], notes["error"]) == (None, "not a PNG, JPEG, WebP or BMP picture")
    assert code["texts"] == ["通行 GP1:ABC"]


def test_a_person_gets_one_line_for_each_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", str(folder), str(folder / "absent.png")]) == 1
    empty, code, absent = capsys.readouterr().out.splitlines()
    assert empty.endswith("a-empty.jpg: no code")
    assert "b-code.png: 通行 GP1:ABC  (zxing, " in code
    assert absent.endswith("absent.png: cannot be used: no such file")


def test_two_codes_in_one_picture_are_both_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = np.concatenate([render_phone("A", seed=1), render_phone("B", seed=2)], axis=0)
    (tmp_path / "pair.png").write_bytes(encode_picture(pair))
    main(["scan", "--json", str(tmp_path)])
    texts = _lines(capsys)[0]["texts"]
    assert isinstance(texts, list)
    assert sorted(texts) == ["A", "B"]


def test_a_text_cannot_move_the_readers_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.png").write_bytes(encode_picture(render_phone(ODD, seed=1)))
    main(["scan", str(tmp_path)])
    out = capsys.readouterr().out
    assert "first\\nsecond\\x1b[2J\\u202e" in out
    assert len(out.splitlines()) == 1
    main(["scan", "--json", str(tmp_path)])
    assert _lines(capsys)[0]["texts"] == [ODD]


@pytest.mark.parametrize(
    ("text", "expected"), [("通行 ✓", "通行 ✓"), ("a\0b", "a\\x00b"), ("\ud800", "\\ud800")]
)
def test_only_what_can_be_printed_is_printed(text: str, expected: str) -> None:
    assert printable(text) == expected
