"""``gated trust add`` and ``remove``: say what would change, ask, then change it in one step."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gated.commands.trust_facts import (
    allowed,
    key_id_forms,
    keys_of,
    line_of,
    printable,
    read_folder,
    signs_passes,
)
from gated.config.files import read_small_file
from gated.controller.list_watch import TAKES_EFFECT_WITHIN_S
from gated.credentials.key_sets import to_key_set
from gated.credentials.trust import MAX_FILE_BYTES, KeyFile, parse_key_file
from gated.credentials.trusted_keys import TrustedKey
from gated.durable import sync_folder
from gated.errors import CannotWrite, ExitCode, GatedError

_KEY_SUFFIXES = (".jwks.json", ".jwk.json", ".json", ".pem", ".der", ".crt", ".cer", ".pub")
_YES = frozenset({"y", "yes", "是"})


@dataclass(frozen=True, slots=True)
class Addition:
    """What the command line asks to add."""

    file: Path
    uses: frozenset[str] | None
    issuer: str | None
    name: str | None


# --- add -----------------------------------------------------------------------------------------


def add(wanted: Addition, folder: Path, now: datetime, *, is_sure: bool) -> int:
    """Put the keys of a file into ``folder``; return the exit code.

    Raises: GatedError: a file that must not or cannot lie there, or a name that is taken.
    """
    data = _data_of(wanted)
    name = _name_of(wanted)
    added = parse_key_file(data, name)
    present = keys_of(read_folder(folder))
    new = [key for key in added.keys if not _is_present(key, present)]
    if not new:
        print("these keys are there already; nothing to do (这些密钥已在其中)")
        return int(ExitCode.OK)
    path = folder / name
    if os.path.lexists(path):
        raise GatedError(
            f"{path} exists already and stays as it is; choose another --name (文件已存在)"
        )
    for problem in added.problems:
        print(f"gated: {printable(name)}: {problem}", file=sys.stderr)
    print(f"{path} would be new 将新增：")
    for key in new:
        print(f"  {line_of(key, now)}")
    _say_what(new, "It would allow:", "新增后允许：")
    if not _is_wanted(is_sure=is_sure):
        return int(ExitCode.FAILED)
    _write_new(path, data)
    print(f"added 已新增 {path}")
    _say_when()
    return int(ExitCode.OK)


def _data_of(wanted: Addition) -> bytes:
    """Return the bytes of the new file, from the file as it was given."""
    try:
        data = read_small_file(wanted.file, most_bytes=MAX_FILE_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError as exc:
        raise GatedError(f"{wanted.file} is missing (文件不存在)") from exc
    given = parse_key_file(data, wanted.file.name)
    if given.has_private_key:
        raise GatedError(
            f"{wanted.file} holds a private key: it stays with whoever signs and must not lie on a "
            "gate; add the public keys, a file such as NAME.jwks.json (私钥不得放在闸机上)"
        )
    if not given.keys:
        problems = "; ".join(dict.fromkeys(given.problems))
        raise GatedError(f"{wanted.file} has no key that can be used: {problems} (没有可用的公钥)")
    if wanted.uses is None and wanted.issuer is None:
        return data
    if given.problems:
        problems = "; ".join(dict.fromkeys(given.problems))
        raise GatedError(
            f"{wanted.file} has keys that cannot be used, so --for and --issuer cannot say what "
            f"they are for: {problems} (部分密钥无法使用)"
        )
    return to_key_set(given.keys, wanted.uses, wanted.issuer)


def _name_of(wanted: Addition) -> str:
    name = wanted.name
    if name is None:
        name = wanted.file.name
        if wanted.uses is not None or wanted.issuer is not None:
            suffix = next((s for s in _KEY_SUFFIXES if name.lower().endswith(s)), "")
            name = name[: len(name) - len(suffix)] + _KEY_SUFFIXES[0]
    is_plain = Path(name).name == name and name.isprintable()
    if not name or not is_plain or name.startswith("."):
        raise GatedError(f"{name!a} is not a plain file name; choose one with --name (文件名无效)")
    return name


def _is_present(key: TrustedKey, present: Sequence[TrustedKey]) -> bool:
    """Return whether ``key`` counts already. Raises: GatedError: with other uses."""
    same = [other for other in present if other.fingerprint == key.fingerprint]
    for other in same:
        if other.does_the_same_as(key) and set(key.key_ids) <= set(other.key_ids):
            return True
    for other in same:
        if other.uses != key.uses or other.issuer != key.issuer:
            raise GatedError(
                f"this key is in {printable(other.source)} already, for other uses or another "
                f"issuer: first gated trust remove {printable(other.source)} (同一密钥已有其他用途)"
            )
    return False


def _write_new(path: Path, data: bytes) -> None:
    """Write a new file in one step: a gate that looks in between sees none of it."""
    new = path.parent / f".{path.name}.new"
    try:
        with new.open("xb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)  # unlike a rename, it never replaces a file
        finally:
            new.unlink()
        sync_folder(path.parent)
    except FileExistsError as exc:
        raise CannotWrite(f"{exc.filename} exists already and stays as it is (文件已存在)") from exc
    except OSError as exc:
        raise CannotWrite(f"{path}: cannot be written ({exc.strerror}): try sudo") from exc


# --- remove --------------------------------------------------------------------------------------


def remove(target: str, folder: Path, now: datetime, *, is_sure: bool) -> int:
    """Take a file out of ``folder``, named by itself or by a key; return the exit code.

    Raises: GatedError: nothing or too much goes by that name; it holds the last key for passes.
    """
    files = read_folder(folder)
    file = _file_of(target, files)
    path = folder / file.name
    if path.is_dir() and not path.is_symlink():
        raise GatedError(f"{path} is a folder; it is not read anyway (是文件夹)")
    print(f"{path} would be deleted 将删除：")
    for key in file.keys:
        print(f"  {line_of(key, now)}")
    left = keys_of(other for other in files if other.name != file.name)
    if _can_pass(keys_of(files), now) and not _can_pass(left, now):
        sentence = "none of the site's own passes would be accepted any more"
        if not is_sure:
            raise GatedError(
                f"this is the last key that signs passes: {sentence}; if that is meant: --yes "
                "(这是最后一个通行证密钥，删除后所有通行证失效)"
            )
        print(f"gated: {sentence} (所有通行证失效)", file=sys.stderr)
    gone = [key for key in file.keys if not any(key.does_the_same_as(each) for each in left)]
    if file.keys and not gone:
        print("  the same keys are in another file too, and go on counting 其他文件仍有相同密钥")
    _say_what(gone, "It would no longer allow:", "删除后不再允许：")
    if not _is_wanted(is_sure=is_sure):
        return int(ExitCode.FAILED)
    try:
        path.unlink()
        sync_folder(folder)
    except OSError as exc:
        raise CannotWrite(f"{path}: cannot be deleted ({exc.strerror}): try sudo") from exc
    print(f"deleted 已删除 {path}")
    _say_when()
    return int(ExitCode.OK)


def _file_of(target: str, files: Sequence[KeyFile]) -> KeyFile:
    """Return the one file that ``target`` names. Raises: GatedError: none, or not only it."""
    for file in files:
        if file.name == target:
            return file
    wanted = target.strip()
    named = [
        file
        for file in files
        if any({wanted, wanted.lower()} & key_id_forms(key) for key in file.keys)
    ]
    if not named:
        raise GatedError(
            f"no file and no key is called {target!a}; gated trust list shows them (没有此密钥)"
        )
    if len(named) > 1:
        names = ", ".join(printable(file.name) for file in named)
        raise GatedError(f"this key is in several files: {names}; name one (请指定文件名)")
    [file] = named
    if len(file.keys) > 1:
        raise GatedError(
            f"{printable(file.name)} holds {len(file.keys)} keys, and all would go: to remove them "
            "all, name the file (此文件含多个密钥，请用文件名)"
        )
    return file


def _can_pass(keys: Sequence[TrustedKey], now: datetime) -> bool:
    return any(signs_passes(key) and key.is_in_force(now) for key in keys)


# --- both ----------------------------------------------------------------------------------------


def _say_what(keys: Sequence[TrustedKey], en: str, zh: str) -> None:
    sentences = allowed(keys)
    if sentences:
        print(f"{en} " + " ".join(english for _, english in sentences))
        print(zh + "".join(chinese for chinese, _ in sentences))


def _is_wanted(*, is_sure: bool) -> bool:
    """Return whether to go on; who cannot be asked has not said so."""
    if is_sure:
        return True
    answer = ""
    with suppress(EOFError):
        answer = input("Go on? 继续吗? [y/N] ")
    if answer.strip().lower() in _YES:
        return True
    print("nothing was changed (未做任何更改)")
    return False


def _say_when() -> None:
    seconds = f"{TAKES_EFFECT_WITHIN_S:g}"
    print(f"A running gate takes it over within {seconds} s. 运行中的闸机在 {seconds} 秒内生效。")
