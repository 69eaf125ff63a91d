"""What is legal in a configuration but probably not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gated.config.certificates import AcceptedEvidence
from gated.config.devices import NO_EYES, Camera, VoiceDriver
from gated.config.gate import ClockSource, GateConfig
from gated.config.sensors import ReferenceSettings, ThermometerSettings
from gated.config.temperature import TemperatureSettings
from gated.optics import reach_m
from gated.vocabulary import Check, WhenNotJudged

HIGH_THRESHOLD_C = 38.0
LEAST_DISTANCE_M = 0.1
"""Nobody comes closer to a gate's sensor than this, nor should have to."""

_PULLED_UP = re.compile(r"GPIO[0-8]")
_CONSOLE = re.compile(r"GPIO1[45]")


@dataclass(frozen=True, slots=True)
class Optics:
    """What a thermometer's driver says of it."""

    fov_deg: float
    is_presence_only: bool = False
    finds_faces: bool = False  # an array: it looks for faces in a picture


def warnings(config: GateConfig, optics: Mapping[str, Optics] | None = None) -> list[str]:
    """Return one line for each doubtful thing.

    Args:
        config: a valid configuration.
        optics: of each thermometer, where its driver could be asked.
    """
    return [
        *_of_temperature(config.temperature),
        *_of_optics(config.temperature, optics or {}),
        *_of_checks(config),
        *_of_codes(config),
        *_of_wiring(config),
        *_of_surroundings(config),
    ]


def _of_temperature(settings: TemperatureSettings) -> Iterator[str]:
    if settings.fever_threshold_c > HIGH_THRESHOLD_C:
        yield (
            f"temperature.fever_threshold_c = {settings.fever_threshold_c} °C is high: most people "
            "with a fever would be let in (阈值过高，多数发热者会被放行)"
        )
    if settings.when_not_judged is WhenNotJudged.ADMIT_AND_LIST:
        yield (
            'temperature.when_not_judged = "admit_and_list": whoever cannot be measured is let in '
            "and must be measured by hand later: gated ledger list --today --to-measure "
            "(未测出者会被放行，须事后补测)"
        )
    if settings.ambient is None:
        yield (
            "temperature.ambient is not set: without the air's temperature no reading can be "
            "judged (未配置环境温度计，体温无法判断)"
        )
    if settings.max_attempts == 1:
        yield (
            "temperature.max_attempts = 1: nobody near the threshold is measured again, so chance "
            "decides (不复测，阈值附近由偶然决定)"
        )
    for thermometer in settings.thermometers:
        beside = {
            "temperature.ambient": settings.ambient,
            "temperature.reference": settings.reference,
            **{
                f"temperature.thermometers[{other.name}].distance": other.distance
                for other in settings.thermometers
            },
        }
        for key, device in beside.items():
            if device is not None and device.bus == thermometer.bus:
                yield (
                    f"{key} shares {thermometer.bus} with thermometer {thermometer.name}: traffic "
                    "on the bus disturbs its reading (不要与红外测温头共用总线)"
                )


def _of_optics(settings: TemperatureSettings, optics: Mapping[str, Optics]) -> Iterator[str]:
    for thermometer in settings.thermometers:
        key = f"temperature.thermometers[{thermometer.name}]"
        if thermometer.distance is None:
            yield (
                f"{key} has no distance: who stands too far away reads too cold, and nothing "
                "notices; add a vl53l1x or mark the floor (没有测距，站远了读数偏低)"
            )
        view = optics.get(thermometer.name)
        if view is None:
            continue
        if view.is_presence_only:
            yield (
                f"{key}: {thermometer.driver} is for presence only: nothing it reads is judged "
                "(只能感知有人，不能判断体温)"
            )
        reference = settings.reference
        is_watcher = reference is not None and reference.seen_by == thermometer.name
        if is_watcher and view.finds_faces and "reference_box" not in thermometer.options:
            yield (
                f"{key} has no reference_box: an array must be told where in its picture the "
                "reference plate stands, or it never sees it (未指定参考板在画面中的位置)"
            )
        if is_watcher and reference is not None and not view.finds_faces:
            yield from _of_a_spots_plate(key, thermometer, reference)
        reach = reach_m(view.fov_deg)
        if reach < LEAST_DISTANCE_M:
            yield (
                f"{key}: with {view.fov_deg:g}° optics a forehead fills the view only within "
                f"{reach * 1_000:.0f} mm: it cannot measure at a gate; use a part of 5° to 12°, or "
                "an array (视场角过大，不适合闸机测温)"
            )
        elif thermometer.max_distance_m is not None and thermometer.max_distance_m > 1.1 * reach:
            yield (
                f"{key}.max_distance_m = {thermometer.max_distance_m} m is more than the "
                f"{reach:.2f} m at which a forehead fills {view.fov_deg:g}° optics: readings from "
                "there are too cold (超出镜头可测距离，读数偏低)"
            )


def _of_a_spots_plate(
    key: str, thermometer: ThermometerSettings, reference: ReferenceSettings
) -> Iterator[str]:
    if thermometer.distance is None or reference.distance_m is None:
        missing = "temperature.reference.distance_m" if thermometer.distance else "its distance"
        yield (
            f"{key} never looks at the reference plate without {missing}: clothing before it would "
            "pass for the plate (缺少测距或参考板距离，不会看参考板)"
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
    if config.scanner.camera in {Camera.PICTURES, Camera.VIDEO, Camera.REPLAY, Camera.TEST_PATTERN}:
        yield f'scanner.camera = "{config.scanner.camera}": for tests at the desk only (仅供测试)'


def _of_codes(config: GateConfig) -> Iterator[str]:
    credentials, verifier = config.credentials, config.verifier
    if config.checks.dynamic_when_unknown is not Check.HARD:
        yield (
            f'checks.dynamic_when_unknown = "{config.checks.dynamic_when_unknown}": without a '
            "clock an old picture of a changing pass opens the gate "
            "(时钟不可信时，动态码截图也能放行)"
        )
    for rule in config.certificates.enough:
        key = f"certificates.enough[{rule.name}]"
        if rule.evidence is AcceptedEvidence.ANY and not rule.formats:
            yield f"{key}: any certificate at all opens the gate; name formats (未限定格式)"
        if rule.evidence is AcceptedEvidence.TEST and rule.max_age_h is None:
            yield f"{key}: a negative test counts however old it is; set max_age_h (检测不限时效)"
    if credentials.revocations is None and credentials.when_revocations_old is Check.HARD:
        yield (
            'credentials.when_revocations_old = "hard" does nothing without '
            "credentials.revocations (未配置作废名单文件夹，此项无效)"
        )
    if verifier.enabled and any(not token.prefix for token in verifier.tokens):
        yield (
            "verifier.tokens: a kind without a prefix sends whatever is long enough to the "
            "platform, payment codes as well (未限定开头，支付码等也会外传)"
        )


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
    if config.scanner.camera is Camera.NONE and not config.scanner.serial:
        yield NO_EYES
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
            "uplink has neither password_file nor cert_file: unless gated certificate installed "
            "one, the broker cannot tell this gate from another machine (未配置密码或证书)"
        )
