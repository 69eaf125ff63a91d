"""Who types a command, as it is recorded."""

from __future__ import annotations

import os
import pwd

_MAX_NAME = 64


def login_name() -> str:
    """Return the login name, also behind sudo; the user's number where there is no name."""
    name = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    if name:
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def who() -> str:
    """Return who asks, as it is recorded."""
    return f"cli:{login_name()}"[:_MAX_NAME]
