"""Configuration that the centre pushes: checked, made durable, and taken over as a reload is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from gated.config import GateConfig
from gated.config.load import load_gate
from gated.config.overlay import Overlay, read_overlay, with_overlay, write_overlay
from gated.config.reload import take_live
from gated.contents import CommandReason
from gated.deeds import RollBackConfig, SetConfig
from gated.errors import CannotWrite, ConfigError

log = logging.getLogger(__name__)


class PushedConfig:
    """Sets the overlay, or the one before it.

    Args:
        path: the technician's file.
        config: returns the configuration in force.
        reload: asks for a reload, which records what came of it.
    """

    def __init__(
        self, path: Path, config: Callable[[], GateConfig], reload: Callable[[], None]
    ) -> None:
        self._path = path
        self._config = config
        self._reload = reload

    def put(self, deed: SetConfig | RollBackConfig) -> tuple[CommandReason | None, str]:
        """Return (why not, what exactly is wrong), or (None, "") once it is durable.

        All or nothing: one wrong value, and the overlay stays as it was.
        """
        config = self._config()
        state = config.paths.state
        try:
            before = _readable_overlay(state)
            values = deed.values if isinstance(deed, SetConfig) else before.previous
            take_live(config, with_overlay(load_gate(self._path), values))
            write_overlay(state, before.replaced(values))
        except (ConfigError, ValidationError) as exc:
            return CommandReason.CONFIG_REFUSED, str(exc).replace("\n", " ")
        except CannotWrite as exc:
            log.error("%s", exc)
            return CommandReason.NOT_WRITABLE, ""
        self._reload()
        return None, ""


def _readable_overlay(state: Path) -> Overlay:
    """Return the overlay; a damaged one holds nothing, so a new one may take its place."""
    try:
        return read_overlay(state)
    except ConfigError as exc:
        log.error("%s", exc)
        return Overlay()
