"""Shows how many events wait in the gate, from the first pulled plug until they are delivered."""

from __future__ import annotations

from collections.abc import Collection

from gated.demo.screen import Screen

NOTICEABLE = 2
"""Events more or fewer that are worth a line, where there is no status to look at."""


class Gauge:
    """Watches the backlog. Silent while no plug has been pulled."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._is_watching = False
        self._said = 0
        self._most = 0

    def show(self, backlog: int, out: Collection[str]) -> None:
        """Show ``backlog`` events, and the plugs that are ``out``."""
        if out:
            self._is_watching = True
        if not self._is_watching:
            return
        self._most = max(self._most, backlog)
        if backlog == 0 and not out:
            self._screen.keep("")
            if self._most > 0:
                self._screen.say(f"backlog 待送达 0 (at most 最多 {self._most})")
            self._is_watching, self._said, self._most = False, 0, 0
        elif self._screen.is_terminal:
            pulled = f" · out 拔掉 {', '.join(out)}" if out else ""
            self._screen.keep(f"backlog 待送达 {backlog}{pulled}")
        elif abs(backlog - self._said) >= NOTICEABLE:
            self._said = backlog
            self._screen.say(f"backlog 待送达 {backlog}")
