"""Datagrams between the gate's processes: known senders, whole messages, nobody ever waits."""

from __future__ import annotations

import array
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.datagrams import MAX_DATAGRAM_BYTES, Nudge, Receiver, Sender
from gated.errors import StorageError


@pytest.fixture
def path() -> Iterator[Path]:
    # A socket's path is at most 107 bytes; pytest's own folders may be longer.
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        yield Path(folder) / "run" / "sighting.sock"


def test_a_datagram_arrives_whole_and_says_who_sent_it(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        assert sender.send("码".encode())
        datagram = receiver.receive()
        assert datagram is not None
        assert (datagram.payload, datagram.pid, datagram.uid) == (
            "码".encode(),
            os.getpid(),
            os.geteuid(),
        )
        assert receiver.receive() is None


def test_datagrams_arrive_in_their_order(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        for n in range(5):
            sender.send(b"%d" % n)
        got = [receiver.receive() for _ in range(6)]
    assert [datagram and datagram.payload for datagram in got] == [
        b"0", b"1", b"2", b"3", b"4", None
    ]  # fmt: skip


def test_a_user_who_is_not_allowed_is_not_heard(path: Path) -> None:
    stranger = frozenset({os.geteuid() + 1})
    with closing(Receiver(path, allowed_uids=stranger)) as receiver:
        with closing(Sender(path)) as sender:
            assert sender.send(b"open the gate")
        assert receiver.receive() is None


def test_by_default_root_and_the_own_user_are_heard(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        sender.send(b"hello")
        assert receiver.receive() is not None


def test_the_largest_datagram_arrives_and_a_larger_one_is_dropped(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        assert sender.send(b"x" * MAX_DATAGRAM_BYTES)
        datagram = receiver.receive()
        assert datagram is not None
        assert len(datagram.payload) == MAX_DATAGRAM_BYTES
        sender.send(b"x" * (MAX_DATAGRAM_BYTES + 1))
        assert receiver.receive() is None
        sender.send(b"next")
        datagram = receiver.receive()
        assert datagram is not None
        assert datagram.payload == b"next"


def test_what_no_kernel_takes_is_lost_and_said_so(path: Path) -> None:
    with closing(Receiver(path)), closing(Sender(path)) as sender:
        assert not sender.send(b"x" * 64 * 1024 * 1024)


def test_an_absent_receiver_loses_the_datagram(path: Path) -> None:
    with closing(Sender(path)) as sender:
        assert not sender.send(b"anybody?")


def test_a_receiver_that_has_gone_loses_the_datagram_and_a_new_one_gets_the_next(
    path: Path,
) -> None:
    with closing(Sender(path)) as sender:
        first = Receiver(path)
        assert sender.send(b"1")
        first.close()
        assert not path.exists()
        assert not sender.send(b"2")
        with closing(Receiver(path)) as second:
            assert sender.send(b"3")
            datagram = second.receive()
    assert datagram is not None
    assert datagram.payload == b"3"


def test_a_socket_file_left_by_a_killed_process_is_no_hindrance(path: Path) -> None:
    path.parent.mkdir()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
        dead.bind(str(path))
    with closing(Sender(path)) as sender:
        assert not sender.send(b"anybody?")
        with closing(Receiver(path)) as receiver:
            assert sender.send(b"now")
            assert receiver.receive() is not None


def test_a_full_receiver_never_makes_the_sender_wait(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        sent = 0
        while sender.send(b"x" * 4_096):
            sent += 1
            assert sent < 100_000
        assert sent > 0
        for _ in range(sent):
            assert receiver.receive() is not None
        assert sender.send(b"there is room again")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_that_come_along_are_not_taken(path: Path) -> None:
    with (
        closing(Receiver(path)) as receiver,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as hostile,
    ):
        before = open_descriptors()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
        hostile.sendmsg([b"take these"], [rights], 0, str(path))
        receiver.receive()
        assert open_descriptors() == before


def test_a_selector_sees_that_a_datagram_waits(path: Path) -> None:
    with closing(Receiver(path)) as receiver, closing(Sender(path)) as sender:
        assert select.select([receiver], [], [], 0) == ([], [], [])
        sender.send(b"here")
        assert select.select([receiver], [], [], 0) == ([receiver], [], [])


def test_waiting_for_a_datagram_ends(path: Path) -> None:
    with closing(Receiver(path)) as receiver:
        assert receiver.receive(timeout_s=0.01) is None


def test_only_user_and_group_may_send(path: Path) -> None:
    with closing(Receiver(path)):
        assert path.stat().st_mode & 0o777 == 0o660


def test_closing_twice_is_closing_once(path: Path) -> None:
    receiver = Receiver(path)
    receiver.close()
    receiver.close()
    assert not path.exists()


def test_a_path_that_cannot_be_bound_is_our_own_error(path: Path) -> None:
    path.parent.write_text("a file, where a folder is wanted", encoding="ascii")
    with pytest.raises(StorageError, match="cannot make the socket"):
        Receiver(path)


def test_a_path_that_cannot_be_a_sockets_is_our_own_error_at_both_ends(path: Path) -> None:
    too_long = path.parent / ("x" * 200)
    with pytest.raises(StorageError, match="too long"):
        Receiver(too_long)
    with closing(Sender(too_long)) as sender, pytest.raises(StorageError, match="too long"):
        sender.send(b"x")


def test_a_nudge_that_cannot_be_sent_is_said_once_each_time_and_stops_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.symlink_to(path.parent)  # a path that leads nowhere
    with closing(Nudge(path)) as nudge:
        nudge.send()
        nudge.send()
        assert len(caplog.records) == 1
        path.parent.unlink()
        with closing(Receiver(path)) as receiver:
            nudge.send()
            assert receiver.receive() is not None
        path.parent.rmdir()
        nudge.send()
        path.parent.symlink_to(path.parent)
        nudge.send()
    assert len(caplog.records) == 2


INHERITING = """
import os, socket, sys
from pathlib import Path
from gated.datagrams import Receiver, Sender

path = Path(sys.argv[1])
given = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
given.bind(str(path))
other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
high = [os.dup2(s.fileno(), 100 + n) for n, s in enumerate((other, given))]
other.close(); given.close()
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[2])), LISTEN_FDS="2")
os.environ["LISTEN_FDNAMES"] = "control:sighting"
inode = path.stat().st_ino
receiver = Receiver(path)
assert Sender(path).send(b"through systemd's socket")
print(receiver.receive() is not None, path.stat().st_ino == inode)
receiver.close()
print(path.exists())
"""


def inherit(path: Path, pid_offset: int) -> list[str]:
    path.parent.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", INHERITING, str(path), str(pid_offset)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return result.stdout.split()


def test_a_socket_of_the_service_manager_is_found_by_its_name_and_left_in_place(
    path: Path,
) -> None:
    assert inherit(path, 0) == ["True", "True", "True"]


def test_a_socket_that_was_meant_for_another_process_is_not_taken(path: Path) -> None:
    assert inherit(path, 1) == ["True", "False", "False"]
