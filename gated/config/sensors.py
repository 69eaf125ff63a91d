"""The devices of ``[temperature]``: thermometers, and what stands beside them."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
)

from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import Site

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
DRIVER_PATTERN = r"^[a-z0-9_]{1,32}$"
DEVICE_PATTERN = r"^/dev/[A-Za-z0-9._/-]{1,100}$"

Whole = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
DriverOption = (
    Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]*$")]
    | StrictBool
    | Whole
    | FiniteFloat
    | Annotated[tuple[Whole, ...], Field(max_length=16)]
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


class AmbientSettings(DriverSettings):
    """The thermometer in free air: not the infrared chip's own, which sits warmer."""


class DistanceSettings(DriverSettings):
    """The distance sensor beside a thermometer."""


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
    site: Site | None = setting(
        None,
        en="Where on the face it looks; it chooses offset_a_c and offset_b. Left out: as the "
        "driver measures (a spot: forehead_spot).",
        zh="测的是脸上哪里，决定换算系数；不写则由驱动决定",
    )
    distance: DistanceSettings | None = setting(
        None,
        en="The distance sensor beside it: whoever is too far away is asked to come closer, and "
        "is given no number.",
        zh="旁边的测距传感器：太远则提示走近，不给读数",
    )
    max_distance_m: StrictFloat | None = setting(
        None,
        ge=0.02,
        le=2.0,
        unit="m",
        en="Farthest that is measured. Left out: how far a forehead fills its optics.",
        zh="最远可测距离；不写则按视场角计算",
    )


class ReferenceSettings(DriverSettings):
    """A plate of known temperature that a thermometer sees: tells how far it has drifted."""

    seen_by: str = setting(
        REQUIRED,
        pattern=NAME_PATTERN,
        example="adult",
        en="The thermometer that sees it: an array always (its reference_box), a spot while "
        "nothing stands before it.",
        zh="由哪支测温头看它",
    )
    distance_m: StrictFloat | None = setting(
        None,
        ge=0.1,
        le=4.0,
        unit="m",
        en="For a spot, which needs a distance sensor for it: how far away the plate stands. With "
        "anything nearer in view it is not looked at. Left out, a spot never looks at it.",
        zh="单点测温头：参考板的距离（需要测距传感器）；不写则单点测温头不看参考板",
    )
    emissivity: StrictFloat = setting(
        0.95,
        ge=0.8,
        le=1.0,
        en="Emissivity of its paint.",
        zh="涂层发射率",
    )
    every_min: StrictFloat = setting(
        10.0,
        ge=1.0,
        le=1440.0,
        unit="min",
        en="It must have been seen this recently; otherwise readings are marked.",
        zh="多久内必须看到过一次，否则读数加标记",
    )
    max_drift_c: StrictFloat = setting(
        0.5,
        ge=0.1,
        le=2.0,
        unit="°C",
        en="A thermometer that is further off is not corrected but no longer judges.",
        zh="偏差超过此值不再修正，停止判断",
    )
