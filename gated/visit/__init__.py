"""One lane's visits as a pure state machine: (state, event) → (state, commands).

No device, no clock, no file: every event says when it happened, and ``next_deadline`` says when a
``Tick`` is wanted. The relay is commanded in one place (``lane._Lane._open``), which only the
answer to a commit reaches, and once for a visit. docs/architecture.md tells the story.
"""

from gated.visit.lane import advance, next_deadline
from gated.visit.step import idle_prompt

__all__ = ["advance", "idle_prompt", "next_deadline"]
