"""``gated pass value-sheet``: the file that it writes, read back as a gate would."""

from __future__ import annotations

import re
import subprocess
import sys
from html import escape
from pathlib import Path

import numpy as np
import pytest

from gated.cli import main
from gated.commands.value_sheet import STEPS
from gated.credentials.value_sheet import parse_value_sheet
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import Pixels
from gated.visit.state import CLAIM_S
from tests.config_texts import with_keys

MODULE_PX = 6
LABELS = [f"{tenths / 10:.1f}" for tenths in range(360, 401)]


def written(folder: Path, *arguments: object) -> str:
    path = folder / "sheet.html"
    assert main(["pass", "value-sheet", "--out", str(path), *map(str, arguments)]) == 0
    return path.read_text(encoding="utf-8")


def leaves(html: str) -> list[str]:
    """Return the leaves in the order of the ring: the pages cut, the four piles on each other."""
    pages = [
        page.split('<div class="leaf')[1:] for page in html.split('<section class="page">')[1:]
    ]
    assert {len(page) for page in pages} == {4}
    return [page[pile] for pile in range(4) for page in pages]


def texts(html: str) -> list[str]:
    return [text for leaf in leaves(html) for text in re.findall(r'data-text="(.+?)"', leaf)]


def opening(html: str) -> list[str]:
    """Return the labels of the values that open."""
    return [
        re.findall(r'data-text="GV1:(.+?)"', leaf)[0]
        for leaf in leaves(html)
        if "data-text" in leaf and leaf.startswith(" cleared")
    ]


def drawn_code(leaf: str) -> Pixels:
    """Return the picture that the leaf's one path draws: strokes along rows, 1 wide."""
    (path,) = re.findall(r'class="qrline" stroke="#000" d="(.+?)"', leaf)
    (side,) = re.findall(r'viewBox="0 0 (29) 29" class="segno"', leaf)
    grid = np.full((int(side), int(side)), 255, np.uint8)
    x = y = 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", path):
        if command == "h":
            grid[int(y), int(x) : int(x) + int(first)] = 0
            x += int(first)
        elif command == "M":
            x, y = float(first), float(second)
        else:
            x, y = x + float(first), y + float(second)
    return grid.repeat(MODULE_PX, 0).repeat(MODULE_PX, 1)


def test_both_decoders_read_every_code_back_as_the_value_that_stands_over_it(
    tmp_path: Path,
) -> None:
    decoders, missing = load_decoders()
    assert missing == ()
    seen = []
    for leaf in leaves(written(tmp_path)):
        if "data-text" not in leaf:
            continue
        (label,) = re.findall(r'class="value">(.+?) °C', leaf)
        picture = drawn_code(leaf)
        read = [decoder.read(picture).texts for decoder in decoders]
        read.append(Cascade(decoders).decode_picture(picture).texts)
        assert read == [(f"GV1:{label}",)] * 3
        assert parse_value_sheet(read[0][0]) == float(label)
        seen.append(label)
    assert seen == LABELS


def test_eleven_pages_cut_into_four_piles_give_the_ring_in_order(tmp_path: Path) -> None:
    ring = leaves(written(tmp_path))
    assert len(ring) == 44
    kinds = [leaf.partition('"')[0].strip() for leaf in ring]
    assert kinds == [
        "text",
        "divider cleared",
        *["cleared"] * 13,
        "divider isolated",
        *["isolated"] * 28,
    ]


def test_no_leaf_has_more_than_one_code(tmp_path: Path) -> None:
    assert {leaf.count('<path class="qrline"') for leaf in leaves(written(tmp_path))} == {0, 1}


def test_without_a_configuration_everything_below_37_3_opens(tmp_path: Path) -> None:
    assert opening(written(tmp_path)) == LABELS[: LABELS.index("37.3")]


@pytest.mark.parametrize(
    ("threshold_c", "is_inclusive", "first_shut"),
    [("37.3", "false", "37.4"), ("38.0", "true", "38.0"), ("37.35", "true", "37.4")],
)
def test_the_gates_own_threshold_parts_the_values(
    tmp_path: Path, threshold_c: str, is_inclusive: str, first_shut: str
) -> None:
    config = tmp_path / "gated.toml"
    keys = (
        f"fever_threshold_c = {threshold_c}",
        f"fever_threshold_inclusive = {is_inclusive}",
    )
    config.write_text(with_keys("temperature", *keys), encoding="utf-8")
    html = written(tmp_path, "--config", config)
    assert opening(html) == LABELS[: LABELS.index(first_shut)]
    assert f"{float(threshold_c):g} °C" in leaves(html)[0]


def test_a_threshold_at_the_lowest_value_opens_for_none_of_them(tmp_path: Path) -> None:
    config = tmp_path / "gated.toml"
    config.write_text(with_keys("temperature", "fever_threshold_c = 36.0"), encoding="utf-8")
    html = written(tmp_path, "--config", config)
    assert opening(html) == []
    assert "divider cleared" not in html


def test_part_of_the_values_can_be_printed(tmp_path: Path) -> None:
    html = written(tmp_path, "--from", "37.0", "--to", "37.5")
    assert texts(html) == [f"GV1:{label}" for label in LABELS[10:16]]
    assert "Below 37.0 measure again; above 37.5 use 37.5." in html


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--from", "38.0", "--to", "37.0"), 1, "--from is above --to"),
        (("--from", "35.9"), 1, "no gate takes 35.9 °C"),
        (("--to", "40.1"), 1, "no gate takes 40.1 °C"),
        (("--out", "sheet.pdf"), 1, "must end in .html"),
        (("--out", "/nowhere/sheet.html"), 73, "cannot be written (No such file or directory)"),
        (("--config", "/nowhere/gated.toml"), 78, "/nowhere/gated.toml"),
    ],
)
def test_what_cannot_be_printed_is_one_clear_sentence(
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = () if "--out" in arguments else ("--out", str(tmp_path / "sheet.html"))
    assert main(["pass", "value-sheet", *out, *arguments]) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["37", "37.35", "３７.3", "-37.3", "nan", ""])
def test_a_value_that_is_none_is_a_usage_error(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pass", "value-sheet", f"--from={value}"])
    assert ended.value.code == 2
    assert "is not a value such as 37.3" in capsys.readouterr().err


def test_without_segno_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['segno'] = None; from gated.cli import main; "
        f"sys.exit(main(['pass', 'value-sheet', '--out', {str(tmp_path / 'sheet.html')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("gated: QR codes need segno: install gated with its extra")
    assert list(tmp_path.iterdir()) == []


def test_the_cover_says_every_step_in_both_languages_and_each_leaf_to_cover_the_others(
    tmp_path: Path,
) -> None:
    ring = leaves(written(tmp_path))
    for zh, en in STEPS:
        assert escape(zh.format(claim_s=CLAIM_S)) in ring[0]
        assert escape(en.format(claim_s=CLAIM_S)) in ring[0]
    assert f"{CLAIM_S:g} 秒" in ring[0]
    for leaf in ring:
        if "data-text" in leaf:
            assert "遮住其他码" in leaf
            assert "cover the others" in leaf
            assert f"within {CLAIM_S:g} s" in leaf


def test_the_pages_need_nothing_from_elsewhere(tmp_path: Path) -> None:
    html = written(tmp_path)
    assert re.findall(r"https?:|src=|href=|@import|url\(|<script", html) == []
