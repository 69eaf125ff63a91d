"""Sets up a whole system in one folder, plays a scenario before it, and counts what came of it."""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.config.explain import dump_toml, with_paths
from gated.config.load import parse_gate
from gated.config.verifier import PlatformResult
from gated.controller.control import CONTROL_SOCKET, ModeRequest, encode_request
from gated.datagrams import Sender
from gated.demo.equipment import equip_from_office, settings_for_office
from gated.demo.plugboard import Plugboard
from gated.demo.pulls import Pull
from gated.demo.screen import Screen
from gated.demo.tally import Tally, take_tally
from gated.demo.watch import Watch
from gated.devices import heat_columns, thermometer_eyes
from gated.errors import ConfigError, ExitCode, GatedError
from gated.keyboard import Keyboard
from gated.ledger.reader import LedgerReader
from gated.logs import LEVEL_VARIABLE
from gated.office.folder import OfficeFolder
from gated.processes import Children, gate_children, on_signals
from gated.scanner.sources.pictures import SUFFIXES, list_pictures
from gated.simulation.acts import LOW_READER
from gated.simulation.broker import DemoBroker, free_port
from gated.simulation.camera import StageCamera
from gated.simulation.network import Network
from gated.simulation.office import equip_gate, open_office
from gated.simulation.platform import SimulatedPlatform, verifier_of
from gated.simulation.play import Player
from gated.simulation.scenario import ARRAY_STOP_M, STOP_M, Scenario
from gated.simulation.serial_devices import SerialScannerDevice, serial_on_stage
from gated.simulation.stage import FRAME_FILE, HEAT_FILE, HeatLog, StageInputs, StageOutputs
from gated.supervisor import Work
from gated.vocabulary import Mode

log = logging.getLogger(__name__)

MARK = ".gated-demo"
"""Stands in a folder that a demo made, and may therefore empty."""
START_WITHIN_S = 45.0
OPENS_AFTER_S = 2.5
"""The thermometers learn what the empty place looks like before the first person comes."""
LOOPBACK = "127.0.0.1"


class Demo:
    """One run of the demo.

    Args:
        folder: everything is left there; a former demo's is emptied, its office's keys stay.
        visits: how many persons come; None: for ever.
        is_array: whether thermal arrays measure in place of spots.
        frames: pictures that people hold up instead of their own codes.
        office: a real office's folder, by which the gate is equipped, too.
        pulls: plugs that are pulled by themselves, without a key.
    """

    def __init__(  # noqa: PLR0913 - as many options as the command has
        self,
        *,
        folder: Path,
        visits: int | None,
        seed: int,
        frames: Path | None,
        office: Path | None = None,
        page_port: int,
        is_array: bool = False,
        pulls: tuple[Pull, ...] = (),
    ) -> None:
        self._folder = folder
        self._visits = visits
        self._seed = seed
        self._frames = frames
        self._office = None if office is None else OfficeFolder(office)
        self._page_port = page_port
        self._is_array = is_array
        self._pulls = pulls
        self._clock = SystemClock()
        self._screen = Screen()
        self._stop = threading.Event()  # ends the play
        self._is_down = threading.Event()  # ends what must last until all is delivered
        self._took_s = math.inf
        self._is_interrupted = False

    def run(self) -> int:
        """Play until the last person has gone or Ctrl-C; return OK only if nothing was amiss."""
        on_signals(self._stop)
        pictures = _pictures(self._frames)
        _prepare_folder(self._folder)
        tally = self._run_system(pictures)
        return int(ExitCode.OK) if tally is None else self._conclude(tally)

    def _run_system(self, pictures: list[Path]) -> Tally | None:
        """Bring everything up, play, and take it all down again; None: stopped before it began."""
        with ExitStack() as stack:
            # Any port: two demos that start together would both find a fixed one free, and the
            # second one's gate would speak to the first one's collector.
            broker = DemoBroker(free_port(), self._folder)
            stack.enter_context(broker)
            network = stack.enter_context(Network(broker.port))
            platform = SimulatedPlatform(self._folder, self._clock)
            platform.unknown = PlatformResult.GREEN  # it knows everybody of this scenario
            stack.enter_context(platform)
            config = self._write_configuration(network.url, platform)
            office = open_office(self._folder / "office", self._clock.now(), self._seed)
            credentials = config.credentials
            equip_gate(
                self._folder / "office",
                credentials.trust,
                credentials.site_key_file,
                self._folder / "persons.txt",
            )
            if self._office is not None:
                equip_from_office(self._office, credentials)
            player = self._build_stage(
                config,
                Scenario(
                    office,
                    self._seed,
                    pictures,
                    has_serial=True,
                    has_platform=True,
                    stop_m=ARRAY_STOP_M if self._is_array else STOP_M,
                ),
                platform,
                stack,
            )
            children = self._start_children(broker.url, stack)
            if not children.wait_ready(START_WITHIN_S, stop=self._stop):
                if self._stop.is_set():
                    return None
                raise GatedError("the gate's processes did not start; see the lines above")
            plugboard = Plugboard(network, broker, children, self._clock, self._screen)
            return self._play(player, children, plugboard, stack)

    # --- setting up ---------------------------------------------------------------------------

    def _write_configuration(self, broker_url: str, platform: SimulatedPlatform) -> GateConfig:
        """Write the gate's file into the folder, so that every command can be pointed at it."""
        source = Path(__file__).parent / "demo.toml"
        config = with_paths(
            parse_gate(source.read_text(encoding="utf-8"), str(source)),
            state=self._folder,
            run=self._folder / "run",
            broker=broker_url,
            trust=self._folder / "trust",
            site_key_file=self._folder / "site.key",
        )
        raw = config.model_dump()
        raw["credentials"]["persons_list_file"] = self._folder / "persons.txt"
        raw["verifier"] |= verifier_of(platform)
        if self._office is not None:
            for section, keys in settings_for_office(self._folder).items():
                raw[section] |= keys
        if self._is_array:
            spots = raw["temperature"]["thermometers"]
            raw["temperature"]["thermometers"] = [as_array(spot) for spot in spots]
        config = GateConfig.model_validate(raw)
        self._config_file.write_text(dump_toml(config), encoding="utf-8")
        self._config_file.chmod(0o644)
        return config

    @property
    def _config_file(self) -> Path:
        return self._folder / "gated.toml"

    @property
    def _database(self) -> Path:
        return self._folder / "collector.db"

    def _build_stage(
        self,
        config: GateConfig,
        scenario: Scenario,
        platform: SimulatedPlatform,
        stack: ExitStack,
    ) -> Player:
        stage = config.paths.run
        stage.mkdir(parents=True, exist_ok=True)
        heat = stack.enter_context(
            closing(HeatLog(stage / HEAT_FILE, heat_columns(config), create=True))
        )
        camera = StageCamera(stage / FRAME_FILE, self._clock, self._seed)
        outputs = stack.enter_context(closing(StageOutputs(stage)))
        reader = SerialScannerDevice(serial_on_stage(stage, LOW_READER))
        stack.callback(reader.close)
        control = stack.enter_context(closing(Sender(stage / CONTROL_SOCKET)))

        def set_mode(mode: Mode) -> bool:
            return control.send(encode_request(ModeRequest(mode=mode, by="demo")))

        player = Player(
            scenario.acts(self._visits),
            eyes=thermometer_eyes(config),
            heat=heat,
            camera=camera,
            outputs=outputs,
            inputs=StageInputs(stage),
            clock=self._clock,
            attendant=scenario.office.attendant(),
            seed=self._seed,
            set_mode=set_mode,
            reader=reader,
            platform=platform,
        )
        player.write_empty_stage()
        self._run_thread("camera", camera.run, self._is_down, stack)
        return player

    def _run_thread(self, name: str, work: Work, stop: threading.Event, stack: ExitStack) -> None:
        thread = threading.Thread(target=work, args=(stop, lambda: None), name=name)
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)

    def _start_children(self, broker_url: str, stack: ExitStack) -> Children:
        quiet = {LEVEL_VARIABLE: os.environ.get(LEVEL_VARIABLE, "warning")}
        children = Children(self._clock, environment=quiet)
        stack.callback(children.stop)
        config = self._load_written()
        listen = f"{LOOPBACK}:{_port(self._page_port)}"
        children.add(
            "collector",
            *("collector", "run", "--name", "demo", "--listen", listen),
            *("--broker", broker_url, "--database", str(self._database)),
        )
        gate_children(children, self._config_file, config.paths.run)
        self._screen.say(f"page 网页      http://{listen}")
        self._screen.say(f"files 文件     {self._folder}/")
        return children

    def _load_written(self) -> GateConfig:
        text = self._config_file.read_text(encoding="utf-8")
        return parse_gate(text, str(self._config_file))

    # --- playing ------------------------------------------------------------------------------

    def _play(
        self, player: Player, children: Children, plugboard: Plugboard, stack: ExitStack
    ) -> Tally:
        ledger = self._folder / "ledger.db"
        reader = stack.enter_context(closing(LedgerReader(ledger)))
        with Keyboard() as keyboard:
            watch = Watch(
                reader,
                player,
                children=children,
                plugboard=plugboard,
                keyboard=keyboard,
                screen=self._screen,
                clock=self._clock,
                pulls=self._pulls,
            )
            watch.say_keys()
            self._screen.say("")
            self._stop.wait(OPENS_AFTER_S)
            self._run_thread("scenario", player.run, self._stop, stack)
            started_s = self._clock.monotonic_s()
            watch.follow(self._stop)
            self._took_s = self._clock.monotonic_s() - started_s
            self._is_interrupted = self._stop.is_set()  # later it is set to take all down
            hurry = threading.Event()
            on_signals(hurry)  # another Ctrl-C ends the wait
            watch.settle(hurry)
        return take_tally(player.played, ledger, self._database, self._clock, plugboard.outages)

    def _conclude(self, tally: Tally) -> int:
        for line in tally.unexpected:
            self._screen.say(f"unexpected: {line}")
        for line in tally.disturbed:
            self._screen.say(f"disturbed: {line}")
        self._screen.say("")
        self._screen.say(
            f"look   {_own_command()} ledger list --config {self._config_file}\n"
            f"       {_own_command()} collector report --database {self._database}"
        )
        self._screen.say(f"{tally.visits / self._took_s * 60:.1f} persons a minute")
        self._screen.say(str(tally))
        is_asked = self._visits is not None and not self._is_interrupted
        return int(ExitCode.OK if tally.is_clean or not is_asked else ExitCode.FAILED)


def as_array(spot: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spot thermometer's table with an array in its place."""
    kept = ("name", "bus", "mount_height_m", "distance")
    return {**{key: spot[key] for key in kept}, "driver": "mlx90640", "optics": "BAB"}


def _prepare_folder(folder: Path) -> None:
    """Make ``folder`` empty but for the office's keys. Raises: ConfigError: it is not a demo's."""
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ConfigError(f"{folder} is not empty and no demo made it; choose another --state")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    for entry in folder.iterdir():
        if entry.name in (MARK, "office"):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _pictures(folder: Path | None) -> list[Path]:
    """Return the pictures in ``folder`` and below. Raises: ConfigError: there are none."""
    if folder is None:
        return []
    pictures = list_pictures([folder]) if folder.is_dir() else []
    if not pictures:
        raise ConfigError(f"no pictures in {folder} (looked for {', '.join(sorted(SUFFIXES))})")
    return pictures


def _port(wanted: int) -> int:
    """Return ``wanted``, or another free port of this machine when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            port = free_port()
            log.warning("port %d is taken, using %d", wanted, port)
            return port
    return wanted


def _own_command() -> str:
    """Return how this program was called, as somebody would type it from here."""
    called = Path(sys.argv[0])
    if called.name != "gated":
        return f"{Path(sys.executable).name} -m gated"
    return os.path.relpath(called) if called.is_absolute() else str(called)
