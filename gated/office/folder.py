"""The office's folder: what lies in it, how it is made, and that nobody else reads it.

office/                 0700
  office.key.pem        0600  signs; never leaves the office
  register.db           0600  names and passes; never leaves the office
  print/                      pages to print, with names on them
  for-gates/                  all of it, and nothing else, goes to the gates
    trust/office.jwks.json
    site.key            0600
    revocations/revoked.rvl
    duty.txt
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.credentials.keys import load_private_key, make_key_pair, public_key_set
from gated.credentials.pseudonym import make_site_key
from gated.credentials.signatures import key_fingerprint
from gated.durable import write_private_file
from gated.errors import GatedError
from gated.office.register import Register

FOLDER_VARIABLE = "GATED_OFFICE"
DEFAULT_FOLDER = Path("office")

KEY_FILE = "office.key.pem"
PUBLIC_FILE = "office.jwks.json"
REGISTER_FILE = "register.db"
FOR_GATES = "for-gates"
MAX_SITE_CHARACTERS = 40

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class OfficeFolder:
    """Where everything lies."""

    path: Path

    @property
    def key(self) -> Path:
        return self.path / KEY_FILE

    @property
    def register(self) -> Path:
        return self.path / REGISTER_FILE

    @property
    def printed(self) -> Path:
        return self.path / "print"

    @property
    def for_gates(self) -> Path:
        return self.path / FOR_GATES

    @property
    def trust(self) -> Path:
        return self.for_gates / "trust"

    @property
    def site_key(self) -> Path:
        return self.for_gates / "site.key"

    @property
    def revocations(self) -> Path:
        return self.for_gates / "revocations" / "revoked.rvl"

    @property
    def duty_list(self) -> Path:
        return self.for_gates / "duty.txt"


@dataclass(frozen=True, slots=True)
class Office:
    """An office at work: its folder, its key, its register. Close it after use."""

    folder: OfficeFolder
    key: Ed25519PrivateKey
    key_id: bytes
    register: Register
    site: str  # printed on every card

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.register.close()


def office_folder(given: Path | None) -> OfficeFolder:
    """Return the folder that the command line, the environment or nobody named."""
    return OfficeFolder(given or Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER))


def make_office(folder: OfficeFolder, site: str) -> Office:
    """Return the office in ``folder``, with whatever was missing made: run again after a power cut.

    A key, site key or register that is there already is used and stays as it is.

    Raises: GatedError: something cannot be made, or others can read it.
    """
    if not site or len(site) > MAX_SITE_CHARACTERS or not site.isprintable():
        raise GatedError(
            f"--site: the name that stands on the cards, 1 to {MAX_SITE_CHARACTERS} characters "
            "(学校或村名，须 1–40 字)"
        )
    folders = (folder.path, folder.for_gates, folder.printed, folder.trust)
    for path in (*folders, folder.revocations.parent):
        _make_folder(path)
    check_private(folder.path)
    if not folder.key.exists():
        make_key_pair(folder.path, KEY_FILE.removesuffix(".key.pem"))
    if not folder.site_key.exists():
        make_site_key(folder.site_key)
    office = open_office(folder, is_new=True)
    try:
        (folder.path / PUBLIC_FILE).unlink(missing_ok=True)  # it lies where it is copied from
        public = public_key_set(office.key.public_key())
        write_private_file(folder.trust / PUBLIC_FILE, public.encode())
        with office.register.change():
            office.register.set_fact("site", site)
    except GatedError:
        office.register.close()
        raise
    return replace(office, site=site)


def open_office(folder: OfficeFolder, *, is_new: bool = False) -> Office:
    """Return the office in ``folder``.

    Raises: GatedError: there is none, others can read it, or its files cannot be used.
    """
    if not folder.key.exists() or not (is_new or folder.register.exists()):
        raise GatedError(
            f"there is no office in {folder.path}: make it with  gated pass office init --dir "
            f"{folder.path} --site NAME  or name its folder with --dir (此处没有办公室文件夹)"
        )
    check_private(folder.path)
    for path in (folder.key, folder.register):
        if path.exists():
            check_private(path)
    key = load_private_key(folder.key)
    if not isinstance(key, Ed25519PrivateKey):
        # Another kind signs differently each time: a card could not be printed again.
        raise GatedError(
            f"{folder.key} is no Ed25519 key: the office needs one made by gated (请使用 Ed25519)"
        )
    register = Register(folder.register)
    site = register.fact("site") or ""
    return Office(folder, key, key_fingerprint(key.public_key()), register, site)


def check_private(path: Path) -> None:
    """Raise GatedError, saying what to type, unless only the owner can use ``path``."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise GatedError(f"{path}: cannot be read ({exc.strerror})") from exc
    if mode & _OTHERS:
        wanted = "700" if stat.S_ISDIR(mode) else "600"
        raise GatedError(
            f"{path} can be read by others on this computer: type  chmod {wanted} {path}  and try "
            f"again (其他用户可读，请先执行 chmod {wanted} {path})"
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise GatedError(f"{path}: cannot be made ({exc.strerror}) (无法创建)") from exc
