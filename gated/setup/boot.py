"""Setting up without a screen: a file on the boot partition, which every PC can write.

That partition is FAT: whoever holds the card reads it. So what was applied is taken off it again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gated.clock import Clock
from gated.doctor.host import CannotLook, Run, run_program
from gated.durable import sync_folder, write_private_file
from gated.errors import ExitCode, GatedError
from gated.setup.claim import Claimant, wishes_of_file
from gated.setup.file import read_setup_file
from gated.setup.plan import plan
from gated.setup.report import what_was_done
from gated.setup.writing import write
from gated.texts import Pair as Text

BOOT_FOLDERS = (Path("/boot/firmware"), Path("/boot"))
"""Raspberry Pi OS since Debian 12, and before."""
SETUP_FILE, RESULT_FILE = "gated-setup.toml", "gated-setup.result.txt"
CLAIM_WITHIN_S = 600.0
"""A network may take its time at a first start."""
_SYSTEMD_RUNS = Path("/run/systemd/system")
_NEW_LINE = "\r\n"
"""A PC with Windows opens the result, too."""


@dataclass(frozen=True, slots=True)
class BootSetup:
    """Where to look, and what to start.

    Args:
        folders: the first one with a setup file counts.
        config_file: where the configuration will be.
        run: runs systemctl.
        erase: takes what was applied off the partition.
        has_systemd: whether there is one that could start anything.
    """

    config_file: Path
    folders: Sequence[Path] = BOOT_FOLDERS
    run: Run = run_program
    has_systemd: bool = _SYSTEMD_RUNS.is_dir()
    erase: Callable[[Path], None] = field(default_factory=lambda: wipe)

    def apply(self, clock: Clock, tell: Callable[[Text], None]) -> tuple[ExitCode, list[Text]]:
        """Set the gate up as the file says, and leave the result beside it; return it as well.

        Args:
            clock: for the names of what is kept, and for a claim.
            tell: hears what a claim waits for.

        Raises: GatedError: the boot partition cannot be written.
        """
        file = next((f / SETUP_FILE for f in self.folders if (f / SETUP_FILE).is_file()), None)
        if file is None:
            places = ", ".join(str(folder / SETUP_FILE) for folder in self.folders)
            return ExitCode.OK, [
                (f"没有 {places}，无事可做", f"there is no {places}: nothing to do")
            ]
        try:
            code, lines = self._apply(file, clock, tell)
        except GatedError as exc:
            code = exc.exit_code
            lines = [
                ("设置失败，未作任何更改", "it was NOT set up, nothing was changed"),
                (str(exc), str(exc)),
                (f"改好 {SETUP_FILE} 后重新上电", f"mend {SETUP_FILE} and switch on again"),
                (
                    "该文件含密码，不再需要时请删除",
                    "it holds secrets: delete it when it is no longer needed",
                ),
            ]
        write_private_file(file.with_name(RESULT_FILE), _page(lines, clock.now()))
        return code, lines

    def _apply(
        self, file: Path, clock: Clock, tell: Callable[[Text], None]
    ) -> tuple[ExitCode, list[Text]]:
        setup = read_setup_file(file)
        claimant = Claimant(clock, CLAIM_WITHIN_S, tell, threading.Event().wait)
        wishes = wishes_of_file(setup, claimant, self.config_file, replaces=setup.settings.replace)
        planned = plan(wishes, self.config_file, str(file))
        done = write(planned, clock.now(), replaces=setup.settings.replace)
        code = ExitCode.OK
        lines: list[Text] = [("设置成功", "it was set up")]
        try:
            self.erase(file)
        except GatedError as exc:
            code = exc.exit_code
            lines.append((f"但是：{exc}", f"BUT {exc}"))
        else:
            lines.append(
                (
                    f"{SETUP_FILE} 含密码，已从本分区删除",
                    f"{SETUP_FILE} held secrets and was deleted from this partition",
                )
            )
        lines += what_was_done(planned, done)
        if setup.settings.start and self.has_systemd:
            lines.append(self._start())
        return code, lines

    def _start(self) -> Text:
        # Not waited for: the gate's units wait until this one has ended.
        command = ("systemctl", "enable", "--now", "--no-block", "gated.target")
        try:
            answer = self.run(command)
            said = answer.text.strip() if answer.code else ""
        except CannotLook as exc:
            said = str(exc)
        if said:
            return f"未能启动：{said}", f"it could not be started: {said}"
        return "闸机已启动，并设为开机自启", "the gate is started, now and at each boot"


def wipe(file: Path) -> None:
    """Overwrite ``file`` and delete it. Raises: GatedError: what it held is still there.

    A flash card may keep the old blocks all the same: nobody but its controller can erase them.
    """
    try:
        with file.open("r+b") as opened:
            opened.write(b"\0" * file.stat().st_size)
            opened.flush()
            os.fsync(opened.fileno())
        file.unlink()
        with contextlib.suppress(OSError):  # not every FAT driver does this for a folder
            sync_folder(file.parent)
    except OSError as exc:
        raise GatedError(
            f"{file} holds secrets and could not be deleted ({exc.strerror}): delete it by hand "
            "(含密码，请手动删除)"
        ) from exc


def _page(lines: Sequence[Text], now: datetime) -> bytes:
    """Return the result for people: Chinese first, then English."""
    head = f"gated setup, {now:%Y-%m-%d %H:%M} UTC"
    parts = [head, "", *(zh for zh, _ in lines), "", *(en for _, en in lines), ""]
    text = "\n".join(parts).replace("\n", _NEW_LINE)
    return text.encode("utf-8-sig", errors="replace")
