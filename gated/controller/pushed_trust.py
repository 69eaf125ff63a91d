"""Keys that the centre pushes: kept as the orders that brought them, beside the trust folder.

The technician's folder is only read. What comes from the centre lies in the state folder, each file
as the whole signed order, and counts as long as a key of the technician's folder stands behind it
that may say so. So whoever can write the state folder adds nobody, and taking that one key away
takes away everything that it added. No order gives a key a use that only somebody at the gate can
give (``USES_BY_HAND``): what commands could otherwise make more of itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from gated.carried import MAX_COMMAND_BYTES
from gated.config import GateConfig
from gated.config.files import read_small_file
from gated.contents import CommandReason
from gated.credentials.trust import KeyFile, load_trust, parse_key_file
from gated.credentials.trusted_keys import USES_BY_HAND, TrustedKey, TrustList
from gated.deeds import AddTrust, RemoveTrust
from gated.durable import sync_folder, write_private_file
from gated.errors import CannotWrite, ConfigError
from gated.orders import is_permitted, read_order

log = logging.getLogger(__name__)

PUSHED_FOLDER = "centre-trust"
"""In the state folder; a technician may well have named ``trust`` there."""
MAX_PUSHED = 16
_SUFFIX = ".cose"
_SOURCE = f"state/{PUSHED_FOLDER}/"
"""Begins these files' names where keys are shown: no file of the trust folder has a slash."""
_FOLDER_MODE = 0o750


def load_all_trust(config: GateConfig, now: datetime) -> TrustList:
    """Return the keys of the trust folder, and behind them those that the centre has pushed.

    Never raises: see ``TrustList.problems``.
    """
    own = load_trust(config.credentials.trust)
    pushed = read_pushed(config, own, now)
    problems = [f"{file.name}: {problem}" for file in pushed for problem in file.problems]
    return TrustList.of(
        [*_keys(own), *(key for file in pushed for key in file.keys)], [*own.problems, *problems]
    )


def read_pushed(config: GateConfig, own: TrustList, now: datetime) -> tuple[KeyFile, ...]:
    """Return what the centre has pushed, as far as it counts; each fault is a problem of its file.

    Args:
        config: which gate, and where its state is.
        own: the keys of the technician's folder, and no others.
        now: for the validity of keys.
    """
    folder = config.paths.state / PUSHED_FOLDER
    gate = f"{config.gate.site}/{config.gate.name}"
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return ()
    except OSError as exc:
        return (_unusable("", f"cannot be read ({exc.strerror}): try sudo"),)
    files = [_read_file(path, gate, own, now) for path in paths[:MAX_PUSHED]]
    if len(paths) > MAX_PUSHED:
        files.append(_unusable("", f"more than {MAX_PUSHED} files; the rest is not read"))
    return tuple(files)


def _read_file(path: Path, gate: str, own: TrustList, now: datetime) -> KeyFile:
    try:
        data = read_small_file(path, most_bytes=MAX_COMMAND_BYTES, forbidden_mode=0, why="")
    except (ConfigError, FileNotFoundError) as exc:
        return _unusable(path.name, str(exc))
    signed = read_order(data, own, now)
    if isinstance(signed, CommandReason):
        why = f"not signed by a key of the trust folder ({signed}); its keys do not count"
        return _unusable(path.name, why)
    order = signed.order
    is_here = order.gate == gate and is_permitted(signed)
    if not is_here or not isinstance(order.deed, AddTrust) or path.name != _file_of(order.deed):
        why = "no key file that the centre pushed to this gate; its keys do not count"
        return _unusable(path.name, why)
    file = parse_key_file(order.deed.data, source_of(path.name))
    refusal = why_not_pushable(file)
    return file if refusal is None else _unusable(path.name, refusal)


def _unusable(file_name: str, why: str) -> KeyFile:
    return KeyFile(source_of(file_name), (), (why,), has_private_key=False)


def why_not_pushable(file: KeyFile) -> str | None:
    """Return why an order must not bring ``file``; None: it may."""
    if file.has_private_key:
        return "holds a private key, which stays with whoever signs"
    if file.problems:
        return "; ".join(dict.fromkeys(file.problems))
    if not file.keys:
        return "has no key that can be used"
    if any(key.uses is not None and key.uses & USES_BY_HAND for key in file.keys):
        return "has a key for commands; only somebody at the gate can add one"
    return None


def source_of(file_name: str) -> str:
    """Return how keys from that file of the state folder name it."""
    return _SOURCE + file_name


def is_pushed(key: TrustedKey) -> bool:
    return key.source.startswith(_SOURCE)


def _file_of(deed: AddTrust | RemoveTrust) -> str:
    return deed.name + _SUFFIX


def _keys(trust: TrustList) -> list[TrustedKey]:
    return [key for keys in trust.keys.values() for key in keys]


class PushedTrust:
    """Adds and removes what the centre pushes. The running gate takes it over as any changed file.

    Args:
        config: the one in force; asked each time.
    """

    def __init__(self, config: Callable[[], GateConfig]) -> None:
        self._config = config

    def put(
        self, deed: AddTrust | RemoveTrust, signed: bytes, trust: TrustList, now: datetime
    ) -> tuple[CommandReason | None, str]:
        """Return (why not, details), or (None, which keys came and went) once it is durable.

        Args:
            deed: permitted to whoever signed it.
            signed: the order that it was, which is what is kept.
            trust: all keys in force.
            now: for the validity of keys.
        """
        own = TrustList.of(key for key in _keys(trust) if not is_pushed(key))
        path = self._config().paths.state / PUSHED_FOLDER / _file_of(deed)
        before = {file.name: file.keys for file in read_pushed(self._config(), own, now)}
        went = before.get(source_of(path.name), ())
        if isinstance(deed, RemoveTrust):
            return _remove(path, went)
        file = parse_key_file(deed.data, source_of(path.name))
        refusal = why_not_pushable(file) or _clash(file, own)
        if refusal is None and len(before.keys() | {file.name}) > MAX_PUSHED:
            refusal = f"{MAX_PUSHED} files are there already; remove one first"
        if refusal is not None:
            return CommandReason.TRUST_REFUSED, refusal
        try:
            path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            write_private_file(path, signed)
        except (CannotWrite, OSError) as exc:
            log.error("keys of the centre cannot be kept: %s", exc)
            return CommandReason.NOT_WRITABLE, ""
        return None, _came_and_went(f"add {deed.name}", file.keys, went)


def _remove(path: Path, went: Iterable[TrustedKey]) -> tuple[CommandReason | None, str]:
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return CommandReason.UNKNOWN_NAME, ""
    except OSError as exc:
        log.error("%s: cannot be deleted (%s)", path, exc.strerror)
        return CommandReason.NOT_WRITABLE, ""
    return None, _came_and_went(f"remove {path.name.removesuffix(_SUFFIX)}", (), went)


def _clash(file: KeyFile, own: TrustList) -> str | None:
    """Return where the technician has let one of these keys do something else."""
    for key in file.keys:
        for other in _keys(own):
            is_same = other.fingerprint == key.fingerprint
            if is_same and (other.uses, other.issuer) != (key.uses, key.issuer):
                return f"key {key.fingerprint.hex()} is in {other.source!a} for other uses"
    return None


def _came_and_went(what: str, came: Iterable[TrustedKey], went: Iterable[TrustedKey]) -> str:
    said = [what]
    for word, keys in (("came", came), ("went", went)):
        shown = sorted({key.fingerprint.hex() for key in keys})
        said += [f"{word} {', '.join(shown)}"] if shown else []
    return "; ".join(said)
