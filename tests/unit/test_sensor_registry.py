"""Drivers are found by their file names, and what cannot be found says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.errors import ConfigError
from gated.sensors import mlx90614, sht3x
from gated.sensors.registry import (
    driver_names,
    load_ambient_driver,
    load_driver,
    load_thermometer_driver,
)
from gated.simulation.bus import SimulatedBus


def test_the_drivers_are_the_files_that_offer_one() -> None:
    assert {"mlx90614", "sht3x"} <= set(driver_names())
    assert not {"bus", "crc", "port", "registry", "sampling", "worker"} & set(driver_names())


def test_a_driver_is_found_by_its_file_name() -> None:
    assert load_thermometer_driver("mlx90614") is mlx90614.DRIVER
    assert load_ambient_driver("sht3x") is sht3x.DRIVER


@pytest.mark.parametrize("name", ["mlx90699", "bus", "__init__", "smbus2_bus"])
def test_an_unknown_driver_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.*There are: .*mlx90614, .*sht3x"):
        load_driver(name)


@pytest.mark.parametrize("name", ["", "MLX90614", "../os", "os.path", "mlx 90614"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="small letters"):
        load_driver(name)


def test_a_driver_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a thermometer"):
        load_thermometer_driver("sht3x")
    with pytest.raises(ConfigError, match="not an ambient"):
        load_ambient_driver("mlx90614")


def offer_out_of_tree(folder: Path, target: str) -> None:
    """Install a distribution whose entry point ``tmp117x`` names ``target``."""
    info = folder / "tmp117x-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tmp117x\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gated.sensors]\ntmp117x = {target}\n")


def test_a_driver_outside_the_tree_is_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_out_of_tree(tmp_path, "gated.sensors.sht3x:DRIVER")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_ambient_driver("tmp117x") is sht3x.DRIVER


@pytest.mark.parametrize("target", ["no_such_module:DRIVER", "gated.sensors.sht3x:NO_DRIVER"])
def test_an_entry_point_that_leads_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    offer_out_of_tree(tmp_path, target)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=f"tmp117x: {target} cannot be loaded"):
        load_driver("tmp117x")


def test_a_driver_refuses_another_s_options() -> None:
    clock = FakeClock()
    with pytest.raises(ConfigError, match="sht3x"):
        mlx90614.DRIVER.make(SimulatedBus(), sht3x.Options(), clock, clock.advance)


ARRAYS = {"mlx90640", "mlx90641"}


@pytest.mark.parametrize("name", driver_names())
def test_a_sensor_and_its_chip_model_load_no_bus_library_and_numpy_only_for_an_array(
    name: str,
) -> None:
    code = (
        "import sys, importlib\n"
        "from gated.sensors import registry, worker, smbus2_bus\n"
        "import gated.simulation.bus, gated.simulation.approach\n"
        f"registry.load_driver({name!r})\n"
        f"importlib.import_module('gated.simulation.chips.{name}')\n"
        "print(*sorted({'numpy', 'cv2', 'smbus2'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("numpy" if name in ARRAYS else "")


def test_options_that_a_driver_refuses_are_a_fault_of_the_configuration() -> None:
    driver = load_driver("mlx90614")
    with pytest.raises(ConfigError, match=r"^adult: variant: .*; addres: .*gated config check"):
        driver.read_options({"variant": "XYZ", "addres": 0x5B}, "adult")
    assert driver.read_options({"variant": "DCI"}, "adult") == driver.options(variant="DCI")
