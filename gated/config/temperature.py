"""``[temperature]``: the threshold, its guard band, and the thermometers that measure for it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import WhenNotJudged

_live = partial(setting, live=True)

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
DRIVER_PATTERN = r"^[a-z0-9_]{1,32}$"
DEVICE_PATTERN = r"^/dev/[A-Za-z0-9._/-]{1,100}$"

DriverOption = (
    Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
    | StrictBool
    | Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
    | FiniteFloat
)
"""What a driver's own key may hold; the driver's Options model says more."""


class DriverSettings(Settings):
    """One device. Keys other than these belong to its driver, which checks them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DriverOption]

    driver: str = setting(
        REQUIRED,
        pattern=DRIVER_PATTERN,
        example="mlx90614",
        en="Driver: the name of a file in gated/sensors.",
        zh="驱动名称",
    )
    bus: str = setting(
        REQUIRED,
        pattern=DEVICE_PATTERN,
        example="/dev/i2c-1",
        en="The bus it is wired to.",
        zh="接在哪条总线",
    )

    @property
    def options(self) -> dict[str, DriverOption]:
        """The keys that belong to the driver: variant, address, supply_v, …"""
        return dict(self.__pydantic_extra__ or {})


class ThermometerSettings(DriverSettings):
    """One infrared thermometer at one height."""

    name: str = setting(
        REQUIRED,
        pattern=NAME_PATTERN,
        example="child",
        en="Its name in every record.",
        zh="名称，写入每条记录",
    )
    mount_height_m: StrictFloat = setting(
        REQUIRED,
        ge=0.5,
        le=2.5,
        unit="m",
        en="Height of the lens above the ground.",
        zh="镜头离地高度",
    )


class AmbientSettings(DriverSettings):
    """The thermometer in free air: not the infrared chip's own, which sits warmer."""


class TemperatureSettings(Settings):
    """How a reading is judged. Everything but the wiring is taken over by a reload."""

    fever_threshold_c: StrictFloat = _live(
        37.3,
        ge=36.0,
        le=40.0,
        unit="°C",
        en="Fever threshold, compared with the compensated body temperature.",
        zh="发热阈值(与换算后的体温比较)",
    )
    fever_threshold_inclusive: StrictBool = _live(
        True,
        en="Whether exactly the threshold counts as high.",
        zh="等于阈值是否也算",
    )
    guard_below_c: StrictFloat = _live(
        0.1,
        ge=0.0,
        le=1.0,
        unit="°C",
        en="Guard band below the threshold: from here on, measure again.",
        zh="阈值以下多少起复测",
    )
    guard_above_c: StrictFloat = _live(
        0.5,
        ge=0.0,
        le=2.0,
        unit="°C",
        en="Guard band above the threshold: from here on, staff at once, without a second reading.",
        zh="超过阈值多少起直接叫老师",
    )
    max_attempts: StrictInt = _live(
        2,
        ge=1,
        le=3,
        en="Readings in place, at most, before the verdict.",
        zh="最多测几次",
    )
    when_not_judged: WhenNotJudged = _live(
        WhenNotJudged.SEE_STAFF,
        en="When nobody can tell (too cold, sensor lost, …): call staff, or admit and list.",
        zh="无法判断时(太冷、探头故障等):叫老师，或放行并登记",
    )
    cold_face_below_c: StrictFloat = _live(
        34.5,
        ge=30.0,
        le=36.0,
        unit="°C",
        en="A compensated reading below this is a cold face: it is not judged.",
        zh="低于此值视为脸冷，不判断",
    )
    ambient_min_c: StrictFloat = _live(
        10.0,
        ge=-10.0,
        le=30.0,
        unit="°C",
        en="Coldest air in which a reading is judged.",
        zh="可判断的最低环境温度",
    )
    ambient_max_c: StrictFloat = _live(
        32.0,
        ge=20.0,
        le=45.0,
        unit="°C",
        en="Warmest air in which a reading is judged.",
        zh="可判断的最高环境温度",
    )
    extrapolated_below_c: StrictFloat = _live(
        18.0,
        ge=-10.0,
        le=45.0,
        unit="°C",
        en="In colder air a reading is judged but marked extrapolated: no study data there.",
        zh="环境低于此值：照判，但标记为外推",
    )
    extrapolated_above_c: StrictFloat = _live(
        30.0,
        ge=-10.0,
        le=45.0,
        unit="°C",
        en="In warmer air a reading is judged but marked extrapolated: no study data there.",
        zh="环境高于此值：照判，但标记为外推",
    )
    stale_after_s: StrictFloat = _live(
        2.0,
        ge=0.2,
        le=10.0,
        unit="s",
        en="A reading older than this is not judged.",
        zh="读数超过此时间不再有效",
    )
    max_spread_c: StrictFloat = _live(
        0.4,
        ge=0.05,
        le=2.0,
        unit="°C",
        en="Highest minus lowest sample of one reading; more is not judged.",
        zh="同一次测量的最大差值",
    )
    warm_up_s: StrictFloat = _live(
        900.0,
        ge=0.0,
        le=7200.0,
        unit="s",
        en="After power-on the sensors warm up; until then nothing is judged.",
        zh="上电后的预热时间，期间不判断",
    )
    emissivity: StrictFloat = _live(
        0.98,
        ge=0.8,
        le=1.0,
        en="Emissivity of skin, applied in software.",
        zh="皮肤发射率(软件修正)",
    )
    offset_a_c: StrictFloat = _live(
        5.64,
        ge=0.0,
        le=10.0,
        unit="°C",
        en="a in body = skin + a - b x ambient. Default: a spot on the forehead.",
        zh="换算式 体温 = 皮肤 + a - b x 环境 中的 a(默认：额头)",
    )
    offset_b: StrictFloat = _live(
        0.146,
        ge=0.0,
        le=0.5,
        unit="°C/°C",
        en="b in body = skin + a - b x ambient. Default: a spot on the forehead.",
        zh="换算式中的 b(默认：额头)",
    )
    thermometers: tuple[ThermometerSettings, ...] = setting(
        REQUIRED,
        min_length=1,
        max_length=8,
        en="One infrared thermometer per height, each on a bus of its own. Keys that are not "
        "listed here (variant, address, supply_v, …) belong to the driver.",
        zh="红外测温头，每个高度一支，各占一条总线；其余键属于驱动",
    )
    ambient: AmbientSettings | None = setting(
        None,
        en="The air thermometer. Without it no reading can be judged.",
        zh="环境温度计；没有它就无法判断体温",
    )

    @field_validator("ambient_max_c")
    @classmethod
    def _range_is_open(cls, value: float, info: ValidationInfo) -> float:
        lowest = info.data.get("ambient_min_c")
        if lowest is not None and value <= lowest:
            raise ValueError(f"must be above ambient_min_c = {lowest} °C (须高于 ambient_min_c)")
        return value

    @field_validator("extrapolated_above_c")
    @classmethod
    def _studied_range_is_open(cls, value: float, info: ValidationInfo) -> float:
        lowest = info.data.get("extrapolated_below_c")
        if lowest is not None and value <= lowest:
            raise ValueError(
                f"must be above extrapolated_below_c = {lowest} °C (须高于 extrapolated_below_c)"
            )
        return value

    @field_validator("thermometers")
    @classmethod
    def _each_has_its_own(
        cls, value: tuple[ThermometerSettings, ...]
    ) -> tuple[ThermometerSettings, ...]:
        faults: list[str] = []
        by_name: set[str] = set()
        name_on_bus: dict[str, str] = {}
        for thermometer in value:
            if thermometer.name in by_name:
                faults.append(f'two are called "{thermometer.name}" (名称重复)')
            elif thermometer.bus in name_on_bus:
                faults.append(
                    f'"{name_on_bus[thermometer.bus]}" and "{thermometer.name}" share '
                    f"{thermometer.bus}: one infrared sensor per bus, because traffic on the bus "
                    "disturbs its reading (每条总线只接一支红外测温头)"
                )
            by_name.add(thermometer.name)
            name_on_bus.setdefault(thermometer.bus, thermometer.name)
        if faults:
            raise ValueError("; ".join(faults))
        return value
