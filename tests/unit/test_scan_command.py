from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gated.cli import main
from gated.clock import Clock
from gated.commands.scan import printable
from gated.commands.scan_session import in_words, record, to_line
from gated.config import load_gate
from gated.errors import DeviceError, ExitCode
from gated.messages import CodeSeen
from gated.scanner.frames import Frame, FrameSource
from gated.scanner.lock import only_scanner_of
from gated.scanner.main import main as run_scanner
from gated.scanner.picture import Pixels, encode_picture
from gated.scanner.recording import SessionWriter, read_session
from gated.simulation.screens import (
    Hold,
    Shown,
    add_noise,
    render_empty,
    render_phone,
    render_shown,
)
from gated.units import MonoSeconds
from gated.vocabulary import CodeColour
from tests.config_texts import MINIMAL
from tests.frame_sources import noisy

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
    assert '"colours": [{"colour": "black", "confidence": ' in json.dumps(code)
    assert set(code) == {"file", "texts", "colours", "decoder", "cpu_ms"}


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
    assert "b-code.png: 通行 GP1:ABC  (black, zxing, " in code
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


# --- recording and replaying ---------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a gate's configuration whose camera is a folder of pictures."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, code in enumerate(["", "", *["通行 GP1:ABC"] * 3]):
        picture = render_phone(code, seed=1) if code else render_empty(1)
        path = pictures / f"{number}.png"
        path.write_bytes(encode_picture(add_noise(picture, number)))
    text = MINIMAL.replace('camera = "v4l2"', f'camera = "pictures"\ndevice = "{pictures}"')
    file = tmp_path / "gated.toml"
    file.write_text(f'{text}\n[paths]\nrun = "{tmp_path / "run"}"\n', encoding="utf-8")
    return file


def _record(config: Path, folder: Path) -> int:
    return main(["scan", "--record", str(folder), "--config", str(config), "--seconds", "0.5"])


def test_a_recording_warns_in_both_languages_and_tells_how_much_but_not_what(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _record(config, tmp_path / "session") == 0
    out, err = capsys.readouterr()
    told = re.fullmatch(r"(\d+) frames, \d+\.\d MB\n", out)
    assert told is not None
    assert "personal data" in err
    assert "个人信息" in err
    assert "GP1" not in out + err
    recorded = len(list((tmp_path / "session").glob("*.png")))
    assert int(told[1]) == recorded > 1  # a busy machine takes fewer than the five of a quiet one


def test_a_recording_is_read_as_the_gate_would_at_any_speed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(config, tmp_path / "session")
    capsys.readouterr()
    for speed in ([], ["--fast"]):
        assert main(["scan", "--replay", str(tmp_path / "session"), *speed]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r" +\d\.\d\d s  通行 GP1:ABC  \(zxing\)", line)
    folder = str(tmp_path / "session")
    main(["scan", "--replay", folder, "--fast", "--json", "--config", str(config)])
    (seen,) = _lines(capsys)
    assert seen.pop("at_s") == pytest.approx(0.1, abs=0.4)
    assert seen == {
        "text": "通行 GP1:ABC", "decoder": "zxing", "colour": "black", "is_ambiguous": False,
    }  # fmt: skip


def _session(folder: Path, scenes: list[Pixels]) -> Path:
    """Record each of ``scenes`` for two seconds, ten frames a second."""
    writer = SessionWriter(folder, "test")
    for number in range(20 * len(scenes)):
        pixels = add_noise(scenes[number // 20], number)
        writer.add(Frame(pixels, number + 1, MonoSeconds(number * 0.1)))
    writer.close()
    return folder


def test_a_replay_tells_why_a_code_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dim = render_shown(
        Shown("GP1:" + "DIM" * 60, hold=Hold(brightness=0.15, veil_levels=60, unsharp_px=5.5)), 1
    )
    folder = _session(tmp_path / "session", [render_empty(1), dim])
    assert main(["scan", "--replay", str(folder), "--fast"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(" s  not read: too_dark")
    main(["scan", "--replay", str(folder), "--fast", "--json"])
    assert _lines(capsys)[0]["unread"] == "too_dark"


@pytest.mark.parametrize(
    ("text", "is_ambiguous", "words"),
    [
        ("", True, "two different codes  (zxing)"),
        ("a\u202eb\n", False, "a\\u202eb\\n  (zxing)"),
        ("", False, "not a text  (zxing)"),
    ],
)
def test_each_sighting_is_one_harmless_line(text: str, is_ambiguous: bool, words: str) -> None:
    seen = CodeSeen(text, "zxing", CodeColour.NONE, "0" * 16, is_ambiguous=is_ambiguous)
    assert in_words(to_line(seen, 1.0)) == f"    1.00 s  {words}"


def test_a_recording_is_refused_while_the_gate_scans(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_scanner_of(tmp_path / "run"):
        assert _record(config, tmp_path / "session") == ExitCode.UNAVAILABLE
    err = capsys.readouterr().err
    assert err.startswith("gated: recording is refused while the gate scans")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "session").exists()
    assert _record(config, tmp_path / "session") == 0


def test_the_gate_does_not_scan_while_somebody_records(config: Path, tmp_path: Path) -> None:
    with only_scanner_of(tmp_path / "run"), pytest.raises(DeviceError, match="another scanner"):
        run_scanner(load_gate(config), None)


@pytest.mark.parametrize("command", [["scanner"], ["run", "--config", "x"], ["demo"]])
def test_the_service_has_no_way_to_record(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--record", "x"])
    assert "unrecognized arguments: --record" in capsys.readouterr().err


def test_a_recording_that_is_full_says_why_and_is_no_failure(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_full(source: FrameSource, writer: SessionWriter, clock: Clock, seconds: float) -> str:
        return "3 frames are the most"

    assert record(tmp_path / "session", config, 1.0, record_frames=is_full) == 0
    out, err = capsys.readouterr()
    assert out == "0 frames, 0.0 MB\n"
    assert err.splitlines()[-1] == "gated: the recording ended: 3 frames are the most"


def test_a_recording_that_is_stopped_by_hand_is_kept(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(source: FrameSource, writer: SessionWriter, clock: Clock, seconds: float) -> str:
        writer.add(Frame(noisy(1), 1, MonoSeconds(0.0)))
        raise KeyboardInterrupt

    assert record(tmp_path / "session", config, 1.0, record_frames=interrupt) == 0
    assert capsys.readouterr().out.startswith("1 frames, ")
    assert len(read_session(tmp_path / "session").frames) == 1


def test_a_bad_session_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--replay", str(tmp_path)]) == ExitCode.UNAVAILABLE
    err = capsys.readouterr().err
    assert err == f"gated: no recorded session at {tmp_path / 'session.jsonl'}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--record", "x"],
        ["--record", "x", "--replay", "y"],
        ["--record", "x", "--seconds", "0"],
        ["--record", "x", "--seconds", "nan"],
        ["--record", "x", "--seconds", "1e9"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["scan", *arguments])
    assert caught.value.code == ExitCode.USAGE
