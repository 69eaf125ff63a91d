"""The files of the uplink's pairs: one is in force at any moment, also when the power is cut."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gated.mqtt.address import TlsFiles, tls_context
from gated.mqtt.own_pairs import OwnPairs
from tests.authorities import Authority

ROOT = Path(__file__).resolve().parents[2]
CA = Authority("school CA")
ENDED_BY_US = 9

# Ends the process, as a power cut would, just before its n-th step that changes a file's name,
# content or existence. An audit hook: the code under test is the real one.
CUT = """
import os, sys
from pathlib import Path
from gated.mqtt.address import TlsFiles
from gated.mqtt.own_pairs import OwnPairs
folder, at_step = Path(sys.argv[1]), int(sys.argv[2])
pairs = OwnPairs(folder, TlsFiles())
tried = pairs.new()
steps = 0
def cut(event, args):
    global steps
    writes = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.remove", "os.chmod", "os.chown"):
        steps += 1
        if steps == at_step:
            os._exit(9)
sys.addaudithook(cut)
assert pairs.take_over(tried)
"""


@pytest.fixture
def pairs(tmp_path: Path) -> OwnPairs:
    return OwnPairs(tmp_path, TlsFiles())


def test_nothing_is_new_and_the_configured_files_are_in_force_at_first(pairs: OwnPairs) -> None:
    assert (pairs.new(), pairs.in_force(), pairs.refusal()) == (None, TlsFiles(), None)


def test_what_was_tried_takes_over_and_is_not_new_any_more(pairs: OwnPairs) -> None:
    pair = CA.pair("east-1")
    pairs.put_new(pair)
    assert pairs.new() == pair
    assert pairs.in_force() == TlsFiles()
    assert pairs.take_over(pair)
    assert pairs.new() is None
    assert pairs.in_force() == TlsFiles(certificate=pairs.in_force_file)
    assert pairs.in_force_file.stat().st_mode & 0o777 == 0o600
    tls_context(pairs.in_force())


def test_a_pair_that_was_put_there_during_the_trial_gets_its_own(pairs: OwnPairs) -> None:
    tried, meanwhile = CA.pair("east-1"), CA.pair("east-1")
    pairs.put_new(tried)
    pairs.put_new(meanwhile)
    assert not pairs.take_over(tried)
    assert pairs.in_force() == TlsFiles()
    assert pairs.new() == meanwhile


@pytest.mark.parametrize(("begins", "is_configured"), [(-2, False), (-0.5, True)])
def test_of_the_configured_pair_and_the_one_taken_over_the_newer_is_in_force(
    pairs: OwnPairs, tmp_path: Path, begins: float, *, is_configured: bool
) -> None:
    by_hand = tmp_path / "gate.pem"
    by_hand.write_bytes(CA.pair("east-1", begins=begins))
    pairs = replace(pairs, configured=TlsFiles(certificate=by_hand, key=by_hand))
    taken_over = CA.pair("east-1", begins=-1)
    pairs.put_new(taken_over)
    pairs.take_over(taken_over)
    assert (pairs.in_force() == pairs.configured) is is_configured


def test_a_configured_file_in_the_middle_of_being_replaced_does_not_count(
    pairs: OwnPairs, tmp_path: Path
) -> None:
    by_hand = tmp_path / "gate.pem"
    by_hand.write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB")
    pairs = replace(pairs, configured=TlsFiles(certificate=by_hand, key=by_hand))
    taken_over = CA.pair("east-1")
    pairs.put_new(taken_over)
    pairs.take_over(taken_over)
    assert pairs.in_force().certificate == pairs.in_force_file


def test_a_refusal_is_of_the_new_pair_of_now(pairs: OwnPairs) -> None:
    refused = CA.pair("east-1")
    pairs.put_new(refused)
    pairs.refuse(refused, "the connection broke", datetime(2026, 11, 26, tzinfo=UTC))
    said = pairs.refusal()
    assert said is not None
    assert (said.reason, said.at) == ("the connection broke", "2026-11-26T00:00:00+00:00")
    pairs.put_new(CA.pair("east-1"))
    assert pairs.refusal() is None


def test_a_power_cut_at_any_step_leaves_the_old_pair_or_the_new_one(pairs: OwnPairs) -> None:
    old, new = CA.pair("east-1"), CA.pair("east-1")
    ends = set()
    for at_step in range(1, 20):
        pairs.put_new(old)
        assert pairs.new() is None or pairs.take_over(old)
        pairs.put_new(new)
        done = subprocess.run(
            [sys.executable, "-c", CUT, str(pairs.folder), str(at_step)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, ENDED_BY_US), done.stderr
        in_force = pairs.in_force_file.read_bytes()
        assert in_force in (old, new)
        assert pairs.new() == (new if in_force == old else None)
        tls_context(pairs.in_force())  # key and certificate belong together
        ends.add((done.returncode, in_force == new))
        if done.returncode == 0:
            break
    assert ends == {(ENDED_BY_US, False), (0, True)}
    assert at_step > 2
