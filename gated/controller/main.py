"""The controller process: everything is made and wired here, and nowhere else."""

from __future__ import annotations

import logging
import queue
import secrets
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from gated import __version__
from gated.actuators.inputs import DEVICE as INPUTS
from gated.actuators.relay_off import SPEC_FILE as RELAY_SPEC_FILE
from gated.actuators.voice import DEVICE as VOICE
from gated.actuators.worker import Action, ActuatorWorker
from gated.clock import Clock
from gated.config import GateConfig
from gated.config.overlay import load_in_force
from gated.config.reload import take_live
from gated.contents import ConfigContent
from gated.controller.certificate_watch import TOLD_SETTING, CertificateWatch, own_pairs
from gated.controller.code_lists import CodeLists
from gated.controller.codes import CodeRules
from gated.controller.commands import COMMANDS_SOCKET, CommandDesk, gate_of
from gated.controller.control import CONTROL_SOCKET
from gated.controller.decider import Decider, DeciderItem, Neighbours, Record
from gated.controller.inputs import InputWorker, Sockets
from gated.controller.mode_ends import ModeEnds
from gated.controller.nonces import Nonces
from gated.controller.online import DEVICE as VERIFIER
from gated.controller.online import OnlineVerifier, online_rules
from gated.controller.ports import Devices, MakeDevices
from gated.controller.pushed_config import PushedConfig
from gated.controller.remembered import remembered_uses, run_as_before
from gated.controller.rules import lane_of, mode_rules
from gated.controller.scanner_watch import eye_names
from gated.controller.sensors import (
    Calibrations,
    SensorBank,
    calibration_setting,
    load_calibrations,
    new_calibrations,
    sensor_names,
)
from gated.controller.site_uses import UsesTranslator, sharing_of
from gated.controller.start_records import (
    boot_content,
    ledger_alarm,
    newest_record,
    open_ledger,
    start_contents,
)
from gated.controller.status import Losses, StatusWriter, one_line, write_atomically
from gated.controller.timekeeper import timekeeper_of
from gated.credentials.questions import ANSWER_SOCKET, QUESTION_SOCKET
from gated.datagrams import Nudge, Receiver, Sender
from gated.durable import make_folder
from gated.errors import ConfigError, GatedError
from gated.ledger.mailbox import MailboxReader
from gated.ledger.service import LedgerRequest, LedgerService, MailboxNudge
from gated.ledger.writer import Opened
from gated.messages import DeviceChanged
from gated.supervisor import Supervisor
from gated.visit.state import DrillRequested, LaneState, Restarted, SettingsChanged

log = logging.getLogger(__name__)

EVENTS_BOUND = 1_024  # full: the decider hangs, and whoever publishes fails loudly
LEDGER_BOUND = 256  # full: the disk hangs; the decider gives up and starts afresh
ACTIONS_BOUND = 256  # full: the outputs hang; the decider gives up and starts afresh
MEASURE_BOUND = 4
PUBLISH_WITHIN_S = 1.0
SECONDS_A_DAY = 86_400.0


class Controller:
    """One gate's deciding process.

    Args:
        config: as loaded from ``config_path``, which SIGHUP reads again.
        make_devices: real or simulated ones.
    """

    def __init__(
        self, config: GateConfig, config_path: Path, make_devices: MakeDevices, clock: Clock
    ) -> None:
        self._config = config
        self._config_path = config_path
        self._clock = clock
        self._timezone = ZoneInfo(config.gate.timezone)
        self._events: queue.Queue[DeciderItem] = queue.Queue(EVENTS_BOUND)
        self._losses = Losses()
        self._actions: queue.Queue[Action] = queue.Queue(ACTIONS_BOUND)
        self._ledger_requests: queue.Queue[LedgerRequest] = queue.Queue(LEDGER_BOUND)
        self._lists = CodeLists(
            lambda: self._config,
            self._timezone,
            clock,
            record=lambda content: self._publish(Record(content)),
            set_rules=lambda codes: self._inputs.set_rules(codes, mode_rules(self._config)),
        )
        self._supervisor = Supervisor(
            "controller",
            clock,
            on_reload=self._reload,
            status=self._one_line,
            each_second=self._each_second,
        )
        make_folder(config.paths.run)
        self._uplink = Nudge(config.paths.run / "uplink.sock")
        opened = open_ledger(config, clock)
        self._ledger = opened.ledger
        self._ledger.sharing = sharing_of(config)
        self._timekeeper = timekeeper_of(config, clock, newest_record(self._ledger))
        observe_for_s = mode_rules(config).observe_for_s
        self._mode_ends = ModeEnds(self._timekeeper, clock, observe_for_s, self._publish)
        self._site_uses = UsesTranslator(clock, self._timekeeper.is_before_reset, self._publish)
        self._certificates = CertificateWatch(
            own_pairs(config),
            clock,
            quality=lambda: self._timekeeper.quality,
            told=self._ledger.setting(TOLD_SETTING),
            publish=self._publish,
        )
        self._nonces = Nonces(clock, partial(secrets.token_hex, 8))
        self._decider = Decider(
            state=self._initial_state(),
            events=self._events,
            neighbours=Neighbours(
                ledger=self._ledger_requests,
                actuators=self._actions,
                thermometers={
                    t.name: queue.Queue(MEASURE_BOUND) for t in config.temperature.thermometers
                },
            ),
            clock=clock,
            local_time=self._timekeeper.rfc3339,
            software=__version__,
        )
        calibrations = load_calibrations(config)
        devices = make_devices(config, clock)
        self._sensors = SensorBank(
            config,
            devices,
            calibrations,
            clock=clock,
            publish=self._publish,
            requests=self._decider.neighbours.thermometers,
        )
        self._voice, self._output_names = devices.voice, devices.outputs.names()
        # For whoever switches it off should this process and the guard die together.
        spec = devices.outputs.relay.spec.encode()
        write_atomically(config.paths.run / RELAY_SPEC_FILE, spec)
        self._status = StatusWriter(
            config.paths.run,
            config.paths.state,
            self._device_names(),
            clock,
            boot_nonce=self._nonces.current,
            chips=self._sensors.chips,
            lane_state=self._lane_state,
            losses=self._losses,
            certificates=lambda: self._certificates.due,
            publish=self._publish,
        )
        self._inputs = self._make_inputs(devices, self._lists.rules)
        self._wire(devices)
        self._record_start(opened)
        self._lists.tell_set_back()
        self._recorded = {
            thermometer: self._ledger.setting(calibration_setting(thermometer))
            for thermometer in calibrations
        }
        self._record_calibrations(calibrations)

    def run(self) -> int:
        """Run until a signal or a failure; return the exit code."""
        try:
            return self._supervisor.run()
        finally:
            self._uplink.close()
            self._status.close()
            self._ledger.close()

    # --- wiring -------------------------------------------------------------------------------

    def _wire(self, devices: Devices) -> None:
        """Register the workers. The ledger stops last: it answers what was handed in before."""
        supervisor = self._supervisor
        outputs = ActuatorWorker(devices.outputs, self._actions, self._clock, self._publish)
        supervisor.add("actuators", outputs.run)
        if devices.voice is not None:
            supervisor.add("voice", partial(devices.voice.run, publish=self._publish))
        self._sensors.add_to(supervisor)
        supervisor.add("inputs", self._inputs.run)
        supervisor.add("decider", self._decider.run)
        supervisor.add("ledger", self._make_ledger_service().run)

    def _initial_state(self) -> LaneState:
        """Return the lane as the ledger remembers it: mode, drill, uses."""
        ledger, config = self._ledger, self._config
        state = LaneState(
            lane=lane_of(config, self._id_seed()),
            time_quality=self._timekeeper.quality,
            uses=remembered_uses(
                ledger.uses(), self._timekeeper.is_before_reset, self._site_uses.at
            ),
            uses_elsewhere=self._site_uses.elsewhere(ledger.uses_elsewhere()),
        )
        return run_as_before(state, ledger.setting, config.visit.initial_mode, self._mode_ends)

    def _id_seed(self) -> str:
        return f"{self._ledger.epoch}/{secrets.token_hex(8)}"

    def _make_inputs(self, devices: Devices, codes: CodeRules) -> InputWorker:
        run = self._config.paths.run
        sockets = Sockets(
            sightings=Receiver(run / "sighting.sock"),
            control=Receiver(run / CONTROL_SOCKET),
            ledger_nudges=Receiver(run / "ledger.sock"),
            inputs=devices.inputs,
            answers=Receiver(run / ANSWER_SOCKET) if self._config.verifier.enabled else None,
            orders=Receiver(run / COMMANDS_SOCKET),
        )
        return InputWorker(
            sockets,
            codes,
            self._timekeeper,
            self._clock,
            eyes=eye_names(self._config.scanner),
            modes=mode_rules(self._config),
            publish=self._publish,
            nudge_ledger=self._nudge_ledger,
            lane_state=self._lane_state,
            each_second=self._status.each_second,
            online=self._make_online(),
            orders=self._make_desk(),
        )

    def _make_desk(self) -> CommandDesk:
        pushed = PushedConfig(
            self._config_path, lambda: self._config, self._supervisor.request_reload
        )
        gate = gate_of(
            self._ledger, lambda: self._config, self._lane_state, pushed.put, self._clock
        )
        return CommandDesk(gate, self._nonces, self._timekeeper, self._clock, self._publish)

    def _make_online(self) -> OnlineVerifier | None:
        rules = online_rules(self._config)
        if rules is None:
            return None
        uplink = Sender(self._config.paths.run / QUESTION_SOCKET)
        return OnlineVerifier(rules, self._clock, send=uplink.send, publish=self._publish)

    def _make_ledger_service(self) -> LedgerService:
        return LedgerService(
            self._ledger,
            self._ledger_requests,
            MailboxReader(self._config.paths.state / "uplink.db"),
            clock=self._clock,
            answer=self._publish,
            after_commit=self._uplink.send,
            on_renewed=self._record_renewed,
            on_uses=self._site_uses.tell if self._ledger.sharing.is_on else None,
            keep_acked_s=self._config.ledger.keep_acked_days * SECONDS_A_DAY,
        )

    def _device_names(self) -> tuple[str, ...]:
        names = list(sensor_names(self._config))
        names += [*eye_names(self._config.scanner), *self._output_names]
        if self._config.inputs.lines():
            names.append(INPUTS)
        if self._voice is not None:
            names.append(VOICE)
        if self._config.verifier.enabled:
            names.append(VERIFIER)
        return tuple(names)

    # --- between the threads ------------------------------------------------------------------

    def _publish(self, item: DeciderItem) -> None:
        if isinstance(item, DeviceChanged):
            self._losses.hear(item)
        try:
            self._events.put(item, timeout=PUBLISH_WITHIN_S)
        except queue.Full as exc:
            raise GatedError("the decider takes no events any more; starting afresh") from exc

    def _each_second(self) -> None:
        self._mode_ends.watch()
        self._lists.each_second()
        self._certificates.each_second()

    def _one_line(self) -> str:
        """Return how the gate is doing, for whoever asks the service manager."""
        return one_line(self._decider.state, self._losses)

    def _lane_state(self) -> LaneState:
        return self._decider.state

    def _nudge_ledger(self) -> None:
        if self._ledger_requests.empty():
            self._ledger_requests.put_nowait(MailboxNudge())

    # --- what is recorded about the process itself --------------------------------------------

    def _record_start(self, opened: Opened) -> None:
        for content in start_contents(opened):
            self._publish(Record(content))
        open_visits = tuple(self._ledger.open_visits())
        at = self._clock.monotonic_s()
        if open_visits:
            self._publish(Restarted(open_visits, at))
        state, recorded = self._decider.state, self._ledger.setting("mode_expires_at") or None
        if state.mode_expires_at != recorded:  # observing ends by then; or it could not be read
            self._publish(DrillRequested(state.drill, state.mode_by or "first start", at))

    def _record_calibrations(self, calibrations: Calibrations) -> None:
        """Record those that are new, and that they are recorded, in one transaction each."""
        for content in new_calibrations(calibrations, self._recorded):
            setting = calibration_setting(content.thermometer)
            self._publish(Record(content, settings=((setting, content.calibration),)))
            self._recorded[content.thermometer] = content.calibration

    def _record_renewed(self, opened: Opened) -> None:
        self._publish(Record(boot_content(opened)))
        self._publish(Record(ledger_alarm(opened)))

    # --- reload -------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Take over the live keys of the file: all or nothing, and the old ones on any error."""
        try:
            in_force = load_in_force(self._config_path)
            live, changed = take_live(self._config, in_force.config)
            codes = self._lists.load(live)
            calibrations = load_calibrations(live)
        except (ConfigError, ValidationError) as exc:
            log.error("configuration not reloaded, the old one stays: %s", exc)
            self._publish(Record(ConfigContent(accepted=False, detail=str(exc)[:1_000])))
            return
        self._config = live
        self._lists.take(codes)
        self._ledger.keep_person_days = live.uplink.keep_person_days
        self._timekeeper.set_passback_reset(live.checks.anti_passback_reset)
        self._sensors.set_rules(live, calibrations)
        self._record_calibrations(calibrations)
        if self._voice is not None:
            self._voice.set_volume(live.outputs.voice.volume_percent)
            self._voice.set_languages(live.gate.languages)
        lane = lane_of(live, self._decider.state.lane.id_seed)
        self._publish(SettingsChanged(lane, self._clock.monotonic_s()))
        details = [in_force.problem] if in_force.problem else []
        if changed.needs_restart:
            details.append("needs a restart: " + ", ".join(changed.needs_restart))
        detail = "; ".join(details)[:1_000]
        log.info("configuration reloaded: %s", ", ".join(changed.live) or "nothing changed")
        if detail:
            log.warning("configuration %s", detail)
        self._publish(Record(ConfigContent(accepted=True, changed=changed.live, detail=detail)))
