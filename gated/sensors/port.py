"""What a sensor driver offers: the protocols, the values they return, and the driver record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ValidationError

from gated.clock import Clock
from gated.errors import ConfigError
from gated.sensors.bus import I2CBus
from gated.units import MonoSeconds
from gated.vocabulary import Site

Pause = Callable[[float], object]
"""Wait the given number of seconds, or less when asked to stop (``threading.Event.wait`` fits)."""


@dataclass(frozen=True, slots=True)
class TemperatureSample:
    """One reading as the chip says it, at emissivity 1: nothing corrected, nothing smoothed.

    An array shows a picture; what it says of the face in it stands here (``gated.sensors.area``).
    """

    object_c: float  # of an array: the face's hottest small area
    die_c: float  # the chip's own temperature; warmer than the air around it
    taken_at: MonoSeconds
    forehead_c: float | None = None  # arrays: the forehead's hottest small area
    reference_c: float | None = None  # arrays: the reference plate, where one is in view
    is_clear: bool = True  # arrays: False: no whole face in reach, or something hot beside it


@dataclass(frozen=True, slots=True)
class AmbientSample:
    """The air before the gate."""

    ambient_c: float
    humidity_percent: float | None  # None: this chip does not measure it
    taken_at: MonoSeconds


@dataclass(frozen=True, slots=True)
class DistanceSample:
    """How far away the nearest thing before the thermometer is."""

    distance_m: float | None  # None: nothing in the sensor's range
    taken_at: MonoSeconds


@dataclass(frozen=True, slots=True)
class Traits:
    """What sampling and compensation must know of one thermometer's variant."""

    fov_deg: float  # full angle between the points of half sensitivity, of what one value covers
    settle_s: float  # the bus is left quiet this long before each read
    noise_c: float  # standard deviation of one reading
    supply_error_c: float  # what a supply other than the nominal one adds to each reading
    site: Site = Site.FOREHEAD_SPOT  # where on the face ``object_c`` is measured
    is_presence_only: bool = False  # too inaccurate to judge anybody: tells only that one is there


class Device(Protocol):
    """One chip, owned by one thread. A context manager: entered by ``open``, left by ``close``.

    Implementations must verify the checksum, the chip's error flag and the physical range of every
    reading, must never return an earlier value, smooth, fill a gap or retry, and must keep one
    ``read`` to a bounded number of bus messages.
    """

    @property
    def chip_id(self) -> str:
        """The chip's own identity, for its calibration record. Empty while not open."""

    def open(self) -> None:
        """Check that the expected chip answers. Raises: DeviceNotFound, ChecksumError."""

    def close(self) -> None:
        """Let go of the chip, not of the bus. May be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class Thermometer(Device, Protocol):
    """An IR thermometer."""

    @property
    def traits(self) -> Traits:
        """What this variant is like; known before ``open``."""

    def read(self) -> TemperatureSample:
        """Return one reading in °C.

        Raises: BusError, ChecksumError, SensorFault: this sample is void.
            DeviceNotFound: the device is not open.
        """


class AmbientSensor(Device, Protocol):
    """A sensor of the air's temperature and humidity."""

    def read(self) -> AmbientSample:
        """Return one reading. Raises: as ``Thermometer.read``."""


class DistanceSensor(Device, Protocol):
    """A sensor of the distance to whoever stands before a thermometer."""

    def read(self) -> DistanceSample:
        """Return one reading. Raises: as ``Thermometer.read``."""


DeviceT_co = TypeVar("DeviceT_co", bound=Device, covariant=True)
OptionsT = TypeVar("OptionsT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Driver(Generic[DeviceT_co]):
    """A driver module's constant ``DRIVER`` is one of the two kinds below."""

    options: type[BaseModel]  # this driver's part of the configuration
    make: Callable[[I2CBus, BaseModel, Clock, Pause], DeviceT_co]  # touches no hardware
    has_checksum: bool = True  # False: a flipped bit cannot be told from a reading on the wire

    def read_options(self, raw: Mapping[str, object], device: str) -> BaseModel:
        """Return the driver's own keys of ``device``. Raises: ConfigError: says which are wrong."""
        try:
            return self.options.model_validate(raw)
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
                for error in exc.errors(include_url=False, include_input=False)
            )
            raise ConfigError(f"{device}: {faults} (gated config check says more)") from exc


class ThermometerDriver(Driver[Thermometer]):
    """Drives an IR thermometer: a spot, or an array with the search for the face built on it."""

    __slots__ = ()


class AmbientDriver(Driver[AmbientSensor]):
    """Drives an ambient sensor, or the one inside a reference plate."""

    __slots__ = ()


class DistanceDriver(Driver[DistanceSensor]):
    """Drives a distance sensor."""

    __slots__ = ()


def narrow(options: BaseModel, expected: type[OptionsT]) -> OptionsT:
    """Return ``options`` as the driver's own type. Raises: ConfigError: they are another's."""
    if not isinstance(options, expected):
        raise ConfigError(f"options of {type(options).__module__} given to {expected.__module__}")
    return options
