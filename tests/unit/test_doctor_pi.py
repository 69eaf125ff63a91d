"""What a Raspberry Pi's config.txt and firmware say, by texts as they stand there."""

from __future__ import annotations

import pytest

from gated.doctor.pi import NOW, SINCE_START, boot_state, gpio_number, parse_throttled

PI4 = "Raspberry Pi 4 Model B Rev 1.4"
PI5 = "Raspberry Pi 5 Model B Rev 1.0"
SHIPPED = """\
# For more options and information see
# http://rptl.io/configtxt
#dtparam=i2c_arm=on
dtparam=audio=on
camera_auto_detect=1
arm_64bit=1
[cm4]
otg_mode=1
[all]
"""


@pytest.mark.parametrize("number", range(28))
def test_without_a_word_of_it_lines_stand_as_the_chip_pulls_them(number: int) -> None:
    assert boot_state(number, SHIPPED, PI4).is_high is (number <= 8)


@pytest.mark.parametrize(
    ("line", "model", "is_high", "drive"),
    [
        ("gpio=17=op,dl", PI4, False, False),
        ("gpio=17=op,dh", PI4, True, True),
        ("gpio=17=pu", PI4, True, None),
        ("gpio=17=op,dh\ngpio=17=op,dl", PI4, False, False),  # the later one overrides
        ("gpio=16-20=op,dl", PI4, False, False),
        ("gpio=4,16-17,22=op,dh", PI4, True, True),
        ("gpio=17=op,dh\ngpio=17=ip", PI4, False, None),
        (" gpio = 17 = op , dl  # the relay", PI4, False, False),
        ("#gpio=17=op,dl", PI4, False, None),
        ("gpio=18=op,dh", PI4, False, None),
        ("[pi5]\ngpio=17=op,dl", PI4, False, None),
        ("[pi5]\ngpio=17=op,dl", PI5, False, False),
        ("[pi4]\ngpio=17=op,dl", "Raspberry Pi Compute Module 4 Rev 1.0", False, False),
        ("[pi5]\ndtparam=x\n[all]\ngpio=17=op,dl", PI4, False, False),
        ("[none]\ngpio=17=op,dh", PI4, False, None),
        ("[0x12345678]\ngpio=17=op,dh", PI4, False, None),
        ("gpio=17-=op,dh\ngpio==op\ngpio=a-b=op", PI4, False, None),
    ],
)
def test_config_txt_sets_a_line(line: str, model: str, is_high: bool, drive: bool | None) -> None:
    state = boot_state(17, SHIPPED + line, model)
    assert (state.is_high, state.drive) == (is_high, drive)


@pytest.mark.parametrize(("line", "number"), [("GPIO17", 17), ("GPIO2", 2), ("ID_SDA", None)])
def test_the_number_of_a_line(line: str, number: int | None) -> None:
    assert gpio_number(line) == number


@pytest.mark.parametrize(
    ("text", "now", "once"),
    [
        ("throttled=0x0\n", [], []),
        ("0\n", [], []),
        ("throttled=0x50000\n", [], ["under-voltage", "it is throttled"]),
        (
            "throttled=0x50005\n",
            ["under-voltage", "it is throttled"],
            ["under-voltage", "it is throttled"],
        ),
        ("80008", ["it is too warm and slows down"], ["it is too warm and slows down"]),
        ("throttled=0x20002", ["its clock is capped"], ["its clock is capped"]),
    ],
)
def test_what_the_firmware_says_of_power(text: str, now: list[str], once: list[str]) -> None:
    throttled = parse_throttled(text)
    assert throttled is not None
    assert [en for _, en in throttled.troubles(NOW)] == now
    assert [en for _, en in throttled.troubles(SINCE_START)] == once
    assert throttled.is_under_voltage is ("under-voltage" in now)


@pytest.mark.parametrize("text", ["", "VCHI initialization failed\n", "throttled=\n"])
def test_what_is_no_such_answer(text: str) -> None:
    assert parse_throttled(text) is None
