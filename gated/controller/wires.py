"""The gate's wired inputs, opened late and again: a gate without them measures and refuses."""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable

from gated.actuators.inputs import DEVICE, InputEvent, InputSource
from gated.clock import Clock
from gated.errors import DeviceError
from gated.messages import DeviceChanged

log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_MOST_S = 10.0


class Wires:
    """Keeps one source open in a selector. Used by one thread.

    Args:
        selector: the source is registered in it, with ``take`` as its data, while it is open.
        publish: told once when the source is lost and once when it is back.
    """

    def __init__(
        self,
        source: InputSource,
        selector: selectors.BaseSelector,
        take: Callable[[], None],
        clock: Clock,
        publish: Callable[[DeviceChanged], None],
    ) -> None:
        self._source = source
        self._selector = selector
        self._take = take
        self._clock = clock
        self._publish = publish
        self._descriptor: int | None = None  # while it is open
        self._is_lost = False
        self._retry_s = RETRY_FIRST_S
        self._retry_at_s = 0.0

    def keep_open(self) -> list[InputEvent]:
        """Open the source if it is due, and look at it; return what it tells. Once a second."""
        if self._descriptor is not None:
            return self.read()
        if self._clock.monotonic_s() < self._retry_at_s:
            return []
        try:
            self._source.open()
            descriptor = self._source.fileno()
        except DeviceError as exc:
            self._lose(exc)
            return []
        self._selector.register(descriptor, selectors.EVENT_READ, self._take)
        self._descriptor = descriptor
        if self._is_lost:
            log.info("the inputs work again")
            self._publish(DeviceChanged(DEVICE, True, "", self._clock.monotonic_s()))
        self._is_lost, self._retry_s = False, RETRY_FIRST_S
        return self.read()

    def read(self) -> list[InputEvent]:
        """Return what has happened since the last call; never blocks."""
        if self._descriptor is None:
            return []
        try:
            return self._source.read()
        except DeviceError as exc:
            self._lose(exc)
            return []

    def close(self) -> None:
        """Let go of the wires. Idempotent."""
        if self._descriptor is not None:
            self._selector.unregister(self._descriptor)
            self._descriptor = None
        self._source.close()

    def _lose(self, exc: DeviceError) -> None:
        self.close()
        self._retry_at_s = self._clock.monotonic_s() + self._retry_s
        self._retry_s = min(2 * self._retry_s, RETRY_MOST_S)
        if not self._is_lost:
            log.warning("inputs lost, trying again until they are back: %s", exc)
            at = self._clock.monotonic_s()
            self._publish(DeviceChanged(DEVICE, False, str(exc), at))
        self._is_lost = True
