"""The signed revocation lists of a gate: those in its folder, and the newest that it has seen.

Every list that is believed counts, so several publishers' lists stand side by side and a wrong one
can only refuse more. Of each key the newest list is kept in the state folder. So whoever puts an
older one back, or takes the file away, makes no revoked card valid again, not even after a restart:
only a newer list of that key does, or taking the key out of the trust folder.

A file's ending does not matter; hidden files are passed over, as programs that copy make them.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gated.config.files import read_small_file
from gated.credentials.revocation import MAX_LIST_BYTES, RevocationList, read_list
from gated.credentials.revoked import load_revoked
from gated.credentials.trusted_keys import TrustList
from gated.durable import sync_folder
from gated.errors import ConfigError
from gated.vocabulary import Reason

KEPT_FOLDER = "revocations"
"""Below the state folder."""

KEPT_SUFFIX = ".rvl"
MAX_FILES = 16
"""Each may have 4 MiB, and a gate little memory; a site has one or two."""

_SIGNED = (b"\xd2", b"\xd8\x3d")  # CBOR tags 18 and 61; hex and comments begin otherwise

_WHY = {
    Reason.MALFORMED: "not a signed revocation list; copy it again, or take it out of the folder",
    Reason.UNKNOWN_KEY: "signed by a key that is not in the trust folder",
    Reason.BAD_SIGNATURE: "its signature is wrong: changed on the way, or made up",
    Reason.WRONG_USE: "signed by a key that may not sign revocation lists",
}


@dataclass(frozen=True, slots=True)
class FoundList:
    """A list that is believed, and the file that it was read from."""

    name: str
    content: RevocationList
    is_kept: bool = False  # the gate's own copy, from the state folder


@dataclass(frozen=True, slots=True)
class Revocations:
    """What all lists say together."""

    found: tuple[FoundList, ...] = ()
    problems: tuple[str, ...] = ()  # files that cannot be used, one sentence each
    set_back: tuple[str, ...] = ()  # where the folder has an older list than was seen, or none

    def ids(self) -> frozenset[bytes]:
        """Return every revoked id."""
        return frozenset().union(*(each.content.ids for each in self.found))

    def newest(self) -> tuple[FoundList, ...]:
        """Return the newest list of each key."""
        newest: dict[bytes, FoundList] = {}
        for each in self.found:
            key = each.content.signer.fingerprint
            if key not in newest or each.content.supersedes(newest[key].content):
                newest[key] = each
        return tuple(newest.values())

    def are_old(self, now: datetime, max_age: timedelta) -> bool:
        """Return whether there is no list, or one of a key's newest lists is not fresh."""
        newest = self.newest()
        return not newest or not all(each.content.is_fresh(now, max_age) for each in newest)


def load_revocations(
    folder: Path, kept: Path | None, trust: TrustList, now: datetime, *, remembers: bool
) -> Revocations:
    """Return what the lists in ``folder`` say, and those in ``kept``. Never raises.

    Args:
        folder: where the office's and other lists are put.
        kept: this gate's own copies of the newest list of each key; None: it has none.
        trust: who may sign lists.
        now: when a signing key must be in force.
        remembers: whether a list that is newer than its key's copy replaces it.
    """
    problems: list[str] = []
    found = list(_read_folder(folder, trust, now, problems, is_kept=False))
    copies: list[FoundList] = []
    if kept is not None:
        known = frozenset(data for _, data in found)
        kept_lists = _read_folder(kept, trust, now, problems, is_kept=True, known=known)
        copies = [each for each, _ in kept_lists]
    newest = Revocations((*(each for each, _ in found), *copies)).newest()
    if remembers and kept is not None:
        for each, data in found:
            if any(each is one for one in newest):
                problems += _keep(kept, each.content, data)
    # A copy that a newer list has replaced is done with: its publisher may have taken ids back.
    counting = (*(each for each, _ in found), *(one for one in newest if one.is_kept))
    return Revocations(counting, tuple(problems), tuple(_set_back(counting, newest)))


def load_ids(path: Path, trust: TrustList, now: datetime) -> frozenset[bytes]:
    """Return the revoked ids in a signed list, a plain one, or a folder of signed ones.

    Raises: ConfigError: unreadable, or a list that is not believed; for commands, which say so.
    """
    if path.is_dir():
        lists = load_revocations(path, None, trust, now, remembers=False)
        if lists.problems:
            raise ConfigError("; ".join(lists.problems))
        return lists.ids()
    try:
        data = read_small_file(path, most_bytes=MAX_LIST_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError as exc:
        raise ConfigError(f"revocation list {path}: missing (文件不存在)") from exc
    if not data.startswith(_SIGNED):
        return load_revoked(path)
    content = read_list(data, trust, now)
    if isinstance(content, Reason):
        raise ConfigError(f"revocation list {path}: {_WHY[content]}")
    return content.ids


def _set_back(counting: Iterable[FoundList], newest: Iterable[FoundList]) -> Iterator[str]:
    for kept in (one for one in newest if one.is_kept):
        key, version = kept.content.signer.fingerprint, kept.content.version
        seen = f"version {version} of key {key.hex()} was here before and still counts"
        here = [
            each for each in counting if not each.is_kept and each.content.signer.fingerprint == key
        ]
        if not here:
            yield f"revocations: no list of that key in the folder any more: {seen}"
        for each in here:
            if each.content.version < version:
                yield (
                    f"revocations, {each.name!a}: version {each.content.version} is an old list: "
                    f"{seen}; fetch the newest"
                )


def _read_folder(
    folder: Path,
    trust: TrustList,
    now: datetime,
    problems: list[str],
    *,
    is_kept: bool,
    known: Container[bytes] = frozenset(),
) -> Iterator[tuple[FoundList, bytes]]:
    """Yield the lists in ``folder`` with their bytes, except those that are ``known``.

    What cannot be used is told in ``problems``.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as exc:
        if is_kept and isinstance(exc, FileNotFoundError):
            return  # nothing has been kept yet
        problems.append(f"revocations {folder}: cannot be read ({exc.strerror})")
        return
    if len(paths) > MAX_FILES and not is_kept:  # the gate's own are one for each key
        problems.append(f"revocations {folder}: more than {MAX_FILES} files; the rest is not read")
        paths = paths[:MAX_FILES]
    for path in paths:
        try:
            data = read_small_file(path, most_bytes=MAX_LIST_BYTES, forbidden_mode=0, why="")
        except (ConfigError, FileNotFoundError) as exc:
            problems.append(f"revocations: {exc}")
            continue
        if data in known:
            continue
        content = read_list(data, trust, now)
        if isinstance(content, RevocationList):
            yield FoundList(path.name, content, is_kept=is_kept), data
        elif not (is_kept and content is Reason.UNKNOWN_KEY):
            # A kept list whose key was taken out of the trust folder is out of force, as wanted.
            problems.append(f"revocations, {path.name!a}: {_WHY[content]}")


def _keep(kept: Path, content: RevocationList, data: bytes) -> Iterator[str]:
    """Make ``data`` the copy of its key's newest list, durably; yield why it could not be."""
    path = kept / f"{content.signer.fingerprint.hex()}{KEPT_SUFFIX}"
    new = kept / f".{path.name}.new"
    try:
        kept.mkdir(mode=0o750, parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == data:
            return
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(kept)
    except OSError as exc:
        yield (
            f"revocations: version {content.version} cannot be remembered in {kept} "
            f"({exc.strerror}); it holds until the next restart"
        )
