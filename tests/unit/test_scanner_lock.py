"""The lock of a gate's camera: one holder, and a file that the service can open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gated.errors import DeviceError, StorageError
from gated.scanner.lock import LOCK_NAME, holder_of, only_scanner_of

SERVICE_USER = 12_345


def test_a_second_holder_learns_who_has_it_and_gets_it_afterwards(tmp_path: Path) -> None:
    with (
        only_scanner_of(tmp_path / "run"),
        pytest.raises(DeviceError, match=rf"another scanner .*process {os.getpid()}, by"),
        only_scanner_of(tmp_path / "run"),
    ):
        pass
    with only_scanner_of(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_who_only_looks_is_told_the_holder_and_makes_nothing(tmp_path: Path) -> None:
    assert holder_of(tmp_path / "run") is None
    assert not (tmp_path / "run").exists()
    with only_scanner_of(tmp_path / "run"):
        assert holder_of(tmp_path / "run") == str(os.getpid())
    assert holder_of(tmp_path / "run") is None
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="use sudo"):
        holder_of(tmp_path / "file")


def test_a_run_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with (
        pytest.raises(StorageError, match="/run cannot be made, or cannot be written to"),
        only_scanner_of(tmp_path / "run"),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_recording_by_root_leaves_the_lock_to_the_service(tmp_path: Path) -> None:
    os.chown(tmp_path, SERVICE_USER, SERVICE_USER)
    with only_scanner_of(tmp_path):
        pass
    owner = (tmp_path / LOCK_NAME).stat()
    assert (owner.st_uid, owner.st_gid) == (SERVICE_USER, SERVICE_USER)
