"""The demo's plugs on real parts: sockets, processes, a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from gated.demo.plugboard import RECOVERS_WITHIN_S, Plugboard
from gated.demo.pulls import Plug
from gated.demo.screen import Screen
from gated.simulation.broker import HOST
from gated.simulation.network import Network
from tests.nursery import Nursery, a_nursery

PATIENCE_S = 10.0

# --- the cable ------------------------------------------------------------------------------------


@pytest.fixture
def far_end() -> Iterator[socket.socket]:
    """Give a listening socket in a broker's place."""
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


@contextlib.contextmanager
def connected(network: Network, far_end: socket.socket) -> Iterator[tuple[socket.socket, ...]]:
    with (
        socket.create_connection((HOST, network.port), PATIENCE_S) as near,
        far_end.accept()[0] as far,
    ):
        far.settimeout(PATIENCE_S)
        yield near, far


def test_a_cable_carries_both_ways_and_the_end_of_a_connection(far_end: socket.socket) -> None:
    with Network(far_end.getsockname()[1]) as network, connected(network, far_end) as (near, far):
        near.sendall(b"record")
        assert far.recv(100) == b"record"
        far.sendall(b"ack")
        assert near.recv(100) == b"ack"
        far.close()
        assert near.recv(100) == b""


def test_while_the_cable_is_out_nothing_comes_through_and_nobody_connects(
    far_end: socket.socket,
) -> None:
    with Network(far_end.getsockname()[1]) as network, connected(network, far_end) as (near, far):
        network.pull()
        with socket.create_connection((HOST, network.port), PATIENCE_S) as stranger:
            assert stranger.recv(100) == b""
        near.sendall(b"record")
        with socket.create_connection((HOST, network.port), PATIENCE_S) as stranger:
            assert stranger.recv(100) == b""  # the forwarder has looked since
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(100)
        network.plug_in()
        far.settimeout(PATIENCE_S)
        assert far.recv(100) == b"record"  # as TCP repeats it


def test_where_no_broker_listens_a_connection_ends_at_once(far_end: socket.socket) -> None:
    with Network(far_end.getsockname()[1]) as network:
        far_end.close()
        with socket.create_connection((HOST, network.port), PATIENCE_S) as near:
            assert near.recv(100) == b""


# --- the board ------------------------------------------------------------------------------------


class Hand:
    """A broker and a cable that note what was done to them."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def start(self) -> None:
        self.did.append("start")

    def stop(self) -> None:
        self.did.append("stop")

    def pull(self) -> None:
        self.did.append("pull")

    def plug_in(self) -> None:
        self.did.append("plug in")


class Board:
    """A plugboard with tiny real processes in the places of the demo's."""

    def __init__(self, nursery: Nursery) -> None:
        self.nursery = nursery
        for name in ("collector", "controller", "scanner", "uplink"):
            nursery.add(name, "wait")
        assert nursery.children.wait_ready(PATIENCE_S)
        self.hand = Hand()
        self.plugs = Plugboard(self.hand, self.hand, nursery.children, nursery.clock, Screen())

    def running(self) -> list[str]:
        return [c.name for c in self.nursery.children._children if c.process is not None]

    def recover(self) -> None:
        """Let everything that is plugged in come back."""
        ready = self.nursery.children.is_ready
        out = {plug.value for plug in self.plugs.out}
        self.nursery.poll_until(lambda: all(ready(name) for name in self.names() - out))
        self.plugs.poll()
        self.nursery.clock.advance(RECOVERS_WITHIN_S)

    def is_well(self) -> bool:
        return self.plugs.is_well

    def is_dark(self) -> bool:
        return self.plugs.is_dark

    def names(self) -> set[str]:
        return {child.name for child in self.nursery.children._children}


@pytest.fixture
def board() -> Iterator[Board]:
    with a_nursery() as nursery:
        yield Board(nursery)


@pytest.mark.parametrize("plug", [Plug.COLLECTOR, Plug.UPLINK, Plug.SCANNER, Plug.CONTROLLER])
def test_a_process_whose_plug_is_pulled_is_dead_until_it_is_in_again(
    plug: Plug, board: Board
) -> None:
    board.plugs.toggle(plug)
    assert list(board.plugs.out) == [plug]
    assert set(board.running()) == board.names() - {plug.value}
    board.plugs.toggle(plug)
    assert list(board.plugs.out) == []
    board.plugs.poll()
    assert not board.is_well(), "it has not been started yet"
    board.recover()
    assert board.is_well()
    assert set(board.running()) == board.names()


def test_power_takes_all_three_processes_and_one_that_was_out_stays_out_after_it(
    board: Board,
) -> None:
    board.plugs.toggle(Plug.SCANNER)
    board.plugs.toggle(Plug.POWER)
    assert board.running() == ["collector"]
    assert board.is_dark()
    board.plugs.toggle(Plug.POWER)
    board.recover()
    assert board.running() == ["collector", "controller", "uplink"]
    board.plugs.plug_in_all()
    board.recover()
    board.plugs.poll()
    board.nursery.clock.advance(RECOVERS_WITHIN_S)
    assert board.is_well()
    assert not board.is_dark()
    assert [outage.what for outage in board.plugs.outages] == ["scanner", "power"]


def test_broker_and_cable_are_stopped_and_started_once_for_each_pull(board: Board) -> None:
    for is_out in (True, True, False, False):
        board.plugs.switch(Plug.NETWORK, is_out=is_out)
        board.plugs.switch(Plug.BROKER, is_out=is_out)
    assert board.hand.did == ["pull", "stop", "plug in", "start"]
    assert set(board.running()) == board.names()


def test_a_plug_that_is_pulled_again_before_all_is_well_makes_one_outage(board: Board) -> None:
    for _ in range(2):
        board.plugs.toggle(Plug.CONTROLLER)
        board.plugs.toggle(Plug.CONTROLLER)
    (outage,) = board.plugs.outages
    board.recover()
    assert outage.until_s == board.nursery.clock.monotonic_s()
    assert board.is_well()


# --- the keyboard ---------------------------------------------------------------------------------

TAKES_KEYS = """
import os, signal, sys
from gated.keyboard import Keyboard
with Keyboard() as keyboard:
    print("there" if keyboard.is_there else "none", flush=True)
    keys = ""
    while keyboard.is_there and "x" not in keys:
        keys += keyboard.read()
    print(keys, flush=True)
    raise SystemExit("something went wrong")
"""


def test_keys_come_without_enter_and_an_exception_leaves_the_terminal_as_it_was() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with (
        open(master, "rb") as screen,  # noqa: PTH123 - a descriptor
        open(slave, "wb") as terminal,  # noqa: PTH123 - a descriptor
        subprocess.Popen(
            [sys.executable, "-c", TAKES_KEYS],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        ) as process,
    ):
        assert screen.readline() == b"there\r\n"
        assert termios.tcgetattr(slave) != before
        os.write(master, b"nbx")
        assert process.wait(PATIENCE_S) == 1
        assert screen.readline() == b"nbx\r\n", "echoed, or not taken"
        assert screen.readline() == b"something went wrong\r\n"
        assert termios.tcgetattr(slave) == before


def test_in_the_background_the_terminal_is_left_to_the_shell() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    shell = ["setsid", "--ctty", "sh", "-mc", '"$0" -c "$1" & wait', sys.executable, TAKES_KEYS]
    with (
        open(master, "rb") as screen,  # noqa: PTH123 - a descriptor
        open(slave, "wb") as terminal,  # noqa: PTH123 - a descriptor
        subprocess.Popen(shell, stdin=terminal, stdout=terminal, stderr=terminal) as process,
    ):
        assert screen.readline() == b"none\r\n"
        assert process.wait(PATIENCE_S) == 0
        assert termios.tcgetattr(slave) == before


def test_without_a_terminal_there_are_no_keys() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", TAKES_KEYS], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert answer.stdout == "none\n\n"
