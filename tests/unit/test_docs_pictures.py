"""The pictures in docs: they can be read, by everybody, and name the pins of the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gated.doctor.pi import LAST_PULLED_UP
from gated.optics import reach_m
from gated.sensors.mlx90614 import FOV_DEG
from tests.header import (
    HEADER_PIN,
    POWER_PINS,
    example_config,
    example_lines,
    number_of,
    wired_keys,
)
from tests.pages import table

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = sorted(DOCS.glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SMALLEST_PX = 11.5

picture = pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)


def tree_of(picture: Path) -> ET.Element:
    return ET.parse(picture).getroot()  # noqa: S314 - our own files


def words(element: ET.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def lines_text(root: ET.Element) -> list[str]:
    return [words(element) for element in root.iter(f"{SVG}text")]


@picture
def test_a_picture_says_in_words_what_it_shows(path: Path) -> None:
    root = tree_of(path)
    named = [root.find(f"{SVG}{tag}") for tag in ("title", "desc")]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == " ".join(str(e.get("id")) for e in named if e is not None)
    title, description = (words(e) for e in named if e is not None)
    assert CHINESE.search(title)
    assert re.search("[a-z]{3}", title)
    assert len(description) > len(title)


@picture
def test_a_picture_is_read_on_a_dark_page_and_needs_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://", text.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []
    assert "@import" not in text
    assert "<script" not in text
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", text)]
    assert min(sizes) >= SMALLEST_PX


@picture
def test_a_picture_speaks_both_languages(path: Path) -> None:
    said = lines_text(tree_of(path))
    assert sum(bool(CHINESE.search(line)) for line in said) >= len(said) / 4
    assert any(re.search("[a-z]{3}", line) for line in said)


@picture
def test_a_picture_is_shown_on_a_page(path: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")]
    assert any(f"]({path.name})" in text for text in pages)


# --- pins ----------------------------------------------------------------------------------------


@picture
def test_a_line_has_the_pin_of_the_header(path: Path) -> None:
    for line in lines_text(tree_of(path)):
        for names, pins in re.findall(r"(GPIO\d+(?:, (?:GPIO)?\d+)?) · (\d+(?:, \d+)?)", line):
            numbers = [int(number) for number in re.findall(r"\d+", names)]
            assert [HEADER_PIN[n] for n in numbers] == [int(p) for p in pins.split(", ")], line


@picture
def test_what_is_named_by_its_key_has_the_line_of_the_configuration(path: Path) -> None:
    lines = example_lines()
    for element in tree_of(path).iter():
        key = element.get("data-key")
        if key is not None:
            assert re.findall(r"GPIO(\d+)", words(element)) == [str(lines[key])], key


@picture
def test_no_picture_names_a_line_for_what_another_line_does(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    relay = example_lines()["outputs.relay"]
    assert set(re.findall(r"gpio=(\d+)=op,dl", text)) <= {str(relay)}
    assert set(re.findall(r"GPIO0–(\d+)", text)) <= {str(LAST_PULLED_UP)}
    said = re.findall(r"GPIO(\d+)", "\n".join(lines_text(tree_of(path))))
    assert {int(number) for number in said} <= set(HEADER_PIN)


def test_the_pinout_has_all_pins_with_their_pulls_and_what_the_example_wires_there() -> None:
    pins = {
        int(str(group.get("data-pin"))): group
        for group in tree_of(DOCS / "pinout.svg").iter(f"{SVG}g")
        if group.get("data-pin")
    }
    assert sorted(pins) == list(range(1, 41))
    assert {pin: words(pins[pin]).removeprefix(f"{pin} ") for pin in POWER_PINS} == POWER_PINS
    for line, pin in HEADER_PIN.items():
        said = words(pins[pin])
        is_up = line <= LAST_PULLED_UP
        assert pins[pin].get("data-line") == f"GPIO{line}"
        assert pins[pin].get("data-pull") == ("up" if is_up else "down")
        assert said.startswith(f"{pin} GPIO{line} {'▲' if is_up else '▼'}"), said
    wired = {g.get("data-key"): g for g in pins.values() if g.get("data-key")}
    assert {key: number_of(str(g.get("data-line"))) for key, g in wired.items()} == example_lines()
    assert all(f" {key}" in words(group) for key, group in wired.items())
    optional = {key for key, group in wired.items() if group.get("data-optional")}
    assert optional == set(wired) - wired_keys()
    assert {key for key, group in wired.items() if "optional 可选" in words(group)} == optional


def test_the_buses_in_the_picture_are_those_of_the_example_on_a_pi_4() -> None:
    header = ("bus", "Pi 4", "its lines (data, clock)", "Pi 5", "its lines")
    page = table((DOCS / "wiring.md").read_text(encoding="utf-8"), *header)
    lines_of = {row["bus"].split("`")[1]: row["its lines (data, clock)"] for row in page}
    root = tree_of(DOCS / "i2c.svg")
    shown = lines_text(root)
    found = {}
    for element in root.iter():
        if (bus := element.get("data-bus")) is not None:
            assert words(element) == bus
            found[bus] = shown[shown.index(bus) + 1]
    assert found == {bus: text.replace(": pins ", " · ") for bus, text in lines_of.items()}
    config = example_config()
    text = "\n".join(shown)
    for thermometer in config.temperature.thermometers:
        assert f"Thermometer {thermometer.mount_height_m:.2f} m" in text
    assert f"{thermometer.driver.upper()} {thermometer.options['variant']}" in text


def test_a_bus_that_stands_in_for_another_takes_no_line_or_number_of_the_table() -> None:
    page = (DOCS / "wiring.md").read_text(encoding="utf-8")
    (prose,) = re.findall(r"^On a Pi 4 `i2c_vc`.*?\n\n", page, re.DOTALL | re.MULTILINE)
    header = ("bus", "Pi 4", "its lines (data, clock)", "Pi 5", "its lines")
    rows = table(page, *header)
    buses = {re.findall(r"i2c-(\d+)", row["bus"])[0] for row in rows}
    lines = {n for row in rows for n in re.findall(r"GPIO(\d+)", row["its lines (data, clock)"])}
    lines |= {str(line) for line in example_lines().values()}
    spare = re.findall(r"dtoverlay=i2c-gpio,bus=(\d+),i2c_gpio_sda=(\d+),i2c_gpio_scl=(\d+)", prose)
    assert spare
    for bus, *ends in spare:
        assert bus not in buses
        assert f"/dev/i2c-{bus}" in prose
        assert lines.isdisjoint(ends)
    assert "dtoverlay=i2c4" not in prose  # GPIO8, GPIO9, and the number 4, are in the table


# --- places --------------------------------------------------------------------------------------


def test_the_heights_and_distances_are_those_of_the_configuration_and_of_the_optics() -> None:
    text = "\n".join(lines_text(tree_of(DOCS / "mounting.svg")))
    for thermometer in example_config().temperature.thermometers:
        assert f"lens {thermometer.mount_height_m:.2f} m" in text
    spot_cm = reach_m(FOV_DEG["I"]) * 100
    assert f"judged up to {spot_cm:.0f} cm" in text
    sensors = (DOCS / "sensors.md").read_text(encoding="utf-8")
    assert f"| **{spot_cm:.0f} cm** |" in sensors
    for judged_cm, mark_cm in re.findall(r"mark at (\d+) cm\njudged up to (\d+) cm", text):
        assert int(judged_cm) < int(mark_cm)
        assert f"**{mark_cm} cm**" in sensors
