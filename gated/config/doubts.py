"""What is legal in a configuration but probably not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gated.config.devices import Camera, VoiceDriver
from gated.config.gate import ClockSource, GateConfig
from gated.config.temperature import TemperatureSettings
from gated.optics import reach_m
from gated.vocabulary import Check, WhenNotJudged

HIGH_THRESHOLD_C = 38.0
LEAST_DISTANCE_M = 0.1
"""Nobody comes closer to a gate's sensor than this, nor should have to."""

_PULLED_UP = re.compile(r"GPIO[0-8]")
_CONSOLE = re.compile(r"GPIO1[45]")


def warnings(config: GateConfig, fov_deg: Mapping[str, float] | None = None) -> list[str]:
    """Return one line for each doubtful thing.

    Args:
        config: a valid configuration.
        fov_deg: field of view of each thermometer, where its driver could be asked.
    """
    return [
        *_of_temperature(config.temperature, fov_deg or {}),
        *_of_checks(config),
        *_of_wiring(config),
        *_of_surroundings(config),
    ]


def _of_temperature(settings: TemperatureSettings, fov_deg: Mapping[str, float]) -> Iterator[str]:
    if settings.fever_threshold_c > HIGH_THRESHOLD_C:
        yield (
            f"temperature.fever_threshold_c = {settings.fever_threshold_c} °C is high: most people "
            "with a fever would be let in (阈值过高，多数发热者会被放行)"
        )
    if settings.when_not_judged is WhenNotJudged.ADMIT_AND_LIST:
        yield (
            'temperature.when_not_judged = "admit_and_list": whoever cannot be measured is let in '
            "and must be measured by hand later (未测出者会被放行，须事后补测)"
        )
    if settings.ambient is None:
        yield (
            "temperature.ambient is not set: without the air's temperature no reading can be "
            "judged (未配置环境温度计，体温无法判断)"
        )
    for thermometer in settings.thermometers:
        if settings.ambient is not None and settings.ambient.bus == thermometer.bus:
            yield (
                f"temperature.ambient shares {thermometer.bus} with thermometer "
                f"{thermometer.name}: traffic on the bus disturbs its reading "
                "(环境温度计不要与红外测温头共用总线)"
            )
        view = fov_deg.get(thermometer.name)
        if view is not None and reach_m(view) < LEAST_DISTANCE_M:
            yield (
                f"temperature.thermometers[{thermometer.name}]: with {view:g}° optics a forehead "
                f"fills the view only within {reach_m(view) * 1_000:.0f} mm: it cannot measure "
                "at a gate; use a part of 5° to 12° (视场角过大，不适合闸机测温)"
            )


def _of_checks(config: GateConfig) -> Iterator[str]:
    for name in ("temperature", "credential"):
        if getattr(config.checks, name) is not Check.HARD:
            yield (
                f'checks.{name} = "{getattr(config.checks, name)}": a failure does not keep '
                "anybody out (不合格也会放行)"
            )
    if config.checks.credential is Check.HARD and config.scanner.camera is Camera.NONE:
        yield (
            'scanner.camera = "none": no code is read, so nobody enters (没有摄像头，无人能通过)'
        )
    if config.scanner.camera is Camera.PICTURES:
        yield 'scanner.camera = "pictures": for tests at the desk only (仅供测试)'


def _of_wiring(config: GateConfig) -> Iterator[str]:
    relay = config.outputs.relay.line or ""
    if _PULLED_UP.fullmatch(relay):
        yield (
            f"outputs.relay.line = {relay}: a Raspberry Pi pulls GPIO0 to GPIO8 up while it "
            "starts, which may open the gate; use GPIO16 to GPIO27 (启动时为高电平，可能误开门)"
        )
    if _CONSOLE.fullmatch(relay):
        yield (
            f"outputs.relay.line = {relay}: the serial console's line, busy while the Pi starts; "
            "use GPIO16 to GPIO27 (串口占用，可能误开门)"
        )
    if config.outputs.call_staff is None:
        yield "outputs.call_staff is not set: nobody hears that staff is needed (未接叫老师的铃)"
    if config.outputs.lamps is None and config.outputs.voice.driver is VoiceDriver.NONE:
        yield "outputs has neither lamps nor voice: visitors get no prompt (没有灯也没有语音)"
    if config.inputs.passage is None:
        yield (
            "inputs.passage is not set: the gate cannot tell whether anybody went through "
            "(未接通过检测)"
        )
    if config.inputs.attendant_button is None:
        yield (
            "inputs.attendant_button is not set: staff cannot release a visitor at the gate "
            "(未接老师按钮)"
        )


def _of_surroundings(config: GateConfig) -> Iterator[str]:
    if config.clock.source is ClockSource.SYSTEM:
        yield (
            'clock.source = "system": a wrong clock would go unnoticed; for development only '
            "(仅供开发)"
        )
    endpoint = config.uplink.endpoint
    if endpoint.is_loopback:
        return
    if not endpoint.is_tls:
        yield "uplink.broker: records and the password travel in the clear (未加密)"
    if config.uplink.password_file is None and config.uplink.cert_file is None:
        yield (
            "uplink has neither password_file nor cert_file: the broker cannot tell this gate from "
            "another machine (未配置密码或证书)"
        )
