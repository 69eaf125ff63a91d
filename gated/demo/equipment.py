"""A real office's gate, in the demo: what the office hands out lies where a technician puts it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from gated.config import CredentialSettings
from gated.errors import GatedError
from gated.office.folder import OfficeFolder
from gated.vocabulary import Check

REVOCATIONS, DUTY = "revocations", "duty.txt"


def settings_for_office(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the demo's configuration in ``folder`` says differently for a real office.

    Anti-passback is hard: somebody may want to see that a copy of a card is refused.
    """
    return {
        "credentials": {"revocations": folder / REVOCATIONS, "duty_list_file": folder / DUTY},
        "checks": {"exit_reader": True, "anti_passback": Check.HARD},
    }


def equip_from_office(office: OfficeFolder, credentials: CredentialSettings) -> None:
    """Copy what ``office`` hands out to where ``credentials`` look for it.

    Raises: GatedError: it is no office's folder, or cannot be copied.
    """
    if credentials.revocations is None or credentials.duty_list_file is None:
        raise AssertionError("settings_for_office names both")
    try:
        shutil.copytree(office.trust, credentials.trust, dirs_exist_ok=True)
        shutil.copytree(office.revocations.parent, credentials.revocations, dirs_exist_ok=True)
        shutil.copy(office.site_key, credentials.site_key_file)
        shutil.copy(office.duty_list, credentials.duty_list_file)
    except OSError as exc:
        raise GatedError(
            f"{office.path}: not an office's folder that can be read ({exc.strerror}: "
            f"{exc.filename}); make one with 'gated pass office init'"
        ) from exc
