"""The two commands as they are run: real processes, real files, standard input."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config_texts import with_keys

GOLDEN = Path(__file__).parents[1] / "golden" / "gp1"
CASES = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))["cases"]
CARD = next(case["text"] for case in CASES if case["name"] == "a pupil's card")
NOW = "2026-11-23T07:30:00Z"
TRUST = ["--trust", str(GOLDEN / "trust")]


def gated(
    *arguments: object, stdin: bytes = b"", timezone: str = "UTC"
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gated", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "TZ": timezone, "PYTHONUTF8": "1"},
    )


def verified(stdin: bytes, *arguments: object) -> list[dict[str, object]]:
    result = gated("verify", "--json", *arguments, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, b"")
    return [json.loads(line) for line in result.stdout.splitlines()]


REFUSED = {"valid_from": None, "valid_until": None}
MALFORMED = {"format": None, "status": "malformed", "reasons": ["malformed"], **REFUSED}
UNSUPPORTED = {"format": None, "status": "unsupported", "reasons": ["unsupported"], **REFUSED}
VALID = {
    "format": "GP1",
    "status": "valid",
    "reasons": [],
    "valid_from": "2026-09-01T00:00:00Z",
    "valid_until": "2027-02-01T00:00:00Z",
}


# --- gated verify --------------------------------------------------------------------------------


def test_lines_give_one_answer_each_in_their_order() -> None:
    cases = [case for case in CASES if case["now"] == NOW]
    stdin = "".join(f"{case['text']}\n" for case in cases).encode()
    answers = verified(stdin, "--lines", "--now", NOW, *TRUST)
    members = ("format", "status", "reasons", "valid_from", "valid_until")
    assert answers == [{member: case[member] for member in members} for case in cases]


def test_a_text_is_read_with_and_without_its_newline_and_nothing_else_is_taken_off() -> None:
    text = CARD.encode()
    assert verified(text, "--now", NOW, *TRUST) == [VALID]
    assert verified(text + b"\n", "--now", NOW, *TRUST) == [VALID]
    for tail in (b"\n\n", b"\r\n", b" \n", b"\0"):
        [answer] = verified(text + tail, "--now", NOW, *TRUST)
        assert answer["status"] == "malformed"
    assert verified(b" " + text, "--now", NOW, *TRUST) == [UNSUPPORTED]


def test_without_a_trust_folder_no_key_is_known() -> None:
    [answer] = verified(CARD.encode(), "--now", NOW)
    assert answer == {**VALID, "status": "unknown_key", "reasons": ["unknown_key"], **REFUSED}


def test_now_takes_an_offset_and_is_utc_without_one() -> None:
    for now, status in (
        ("2027-02-01T07:59:59+08:00", "valid"),
        ("2027-02-01T08:00:00+08:00", "expired"),
        ("2027-01-31T23:59:59", "valid"),
        ("2027-02-01", "expired"),
    ):
        [answer] = verified(CARD.encode(), "--now", now, *TRUST)
        assert answer["status"] == status, now


@pytest.mark.parametrize("now", ["yesterday", "", "0001-01-01T00:00:00+23:59", "２０２６-01-01"])
def test_a_moment_that_is_none_is_a_usage_error(now: str) -> None:
    result = gated("verify", "--json", "--now", now, stdin=CARD.encode())
    assert result.returncode == 2
    assert b"Traceback" not in result.stderr


def test_bytes_that_are_no_text_and_floods_are_malformed_and_bounded() -> None:
    assert verified(b"\xff\xfeGP1:") == [MALFORMED]
    assert verified(b"GP1:" + b"0" * 70_000) == [MALFORMED]
    flood = b"\xff\n" + b"x" * 200_000 + b"\n\n" + b"x" * 65_536 + b"\n" + b"y" * 200_000
    answers = verified(flood, "--lines")
    assert answers == [MALFORMED, MALFORMED, UNSUPPORTED, MALFORMED, MALFORMED]


def test_nothing_at_all_is_unsupported_and_no_lines_give_no_answer() -> None:
    assert verified(b"") == [UNSUPPORTED]
    assert verified(b"", "--lines") == []


def test_the_exit_code_without_json_says_whether_it_is_valid() -> None:
    good = gated("verify", "--now", NOW, *TRUST, stdin=CARD.encode())
    assert good.returncode == 0
    assert good.stdout.startswith(b"valid (GP1), from 2026-09-01T00:00:00Z")
    late = gated("verify", "--now", "2030-01-01", *TRUST, stdin=CARD.encode())
    assert late.returncode == 1
    assert late.stdout.startswith(b"expired (GP1)")
    assert gated("verify", "--lines", stdin=CARD.encode()).returncode == 0


def test_the_code_itself_is_never_printed() -> None:
    result = gated("verify", "--now", NOW, *TRUST, stdin=CARD.encode())
    assert CARD[10:30].encode() not in result.stdout + result.stderr
    assert b"s-0412" not in result.stdout + result.stderr


def test_what_is_wrong_in_the_trust_folder_goes_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("hello")
    result = gated("verify", "--json", "--trust", tmp_path, stdin=CARD.encode())
    assert result.returncode == 0
    assert b"readme" in result.stderr
    assert json.loads(result.stdout)["status"] == "unknown_key"


# --- gated pass ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("office")
    result = gated("pass", "keygen", "--out", folder, "--name", "school")
    assert result.returncode == 0
    assert "信任目录" in result.stdout.decode()
    (folder / "trust").mkdir()
    (folder / "trust" / "keys").write_bytes((folder / "school.jwks.json").read_bytes())
    return folder


def issue(
    office: Path, *arguments: object, timezone: str = "UTC"
) -> subprocess.CompletedProcess[bytes]:
    key = office / "school.key.pem"
    return gated("pass", "issue", "--key", key, *arguments, timezone=timezone)


def test_a_key_pair_is_kept_by_its_owner_and_never_overwritten(office: Path) -> None:
    private = office / "school.key.pem"
    before = private.read_bytes()
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    again = gated("pass", "keygen", "--out", office, "--name", "school")
    assert again.returncode == 1
    (office / "half.key.pem").write_bytes(before)
    assert gated("pass", "keygen", "--out", office, "--name", "half").returncode == 1
    assert gated("pass", "keygen", "--out", office, "--name", "../x").returncode == 1
    assert private.read_bytes() == before == (office / "half.key.pem").read_bytes()


def test_an_issued_pass_is_valid_at_the_gate_and_shown_as_proven(office: Path) -> None:
    made = issue(office, "--sub", "s-0412", "--category", "student", "--group", "三年2班")
    assert made.returncode == 0
    trust = ("--trust", office / "trust")
    [answer] = verified(made.stdout, *trust)
    assert answer["status"] == "valid"
    shown = gated("pass", "show", "--json", *trust, stdin=made.stdout)
    facts = json.loads(shown.stdout)
    assert (facts["sub"], facts["group"], facts["proven"]) == ("s-0412", "三年2班", True)
    unknown = gated("pass", "show", made.stdout.decode().removesuffix("\n"))
    assert "NOT PROVEN" in unknown.stdout.decode()
    assert gated("pass", "show", "https://example.org").returncode == 1


def test_every_option_of_a_visitors_pass_arrives(office: Path) -> None:
    options = ["--sub", "v-7", "--category", "visitor", "--zone", "canteen", "--zone", "yard"]
    options += ["--direction", "in", "--max-uses", "2", "--approver", "t-031", "--slow"]
    options += ["--valid-from", "2090-01-01T08:00:00+08:00", "--guardian-ref", "g-1", "--json"]
    facts = json.loads(issue(office, *options).stdout)
    assert facts.pop("pass_id")
    assert facts.pop("characters") == len(facts.pop("text"))
    assert facts.pop("qr_version") <= 10
    assert facts == {
        "sub": "v-7",
        "category": "visitor",
        "valid_from": "2090-01-01T00:00:00Z",
        "valid_until": "2090-01-02T00:00:00Z",
        "zones": ["canteen", "yard"],
        "direction": "in",
        "max_uses": 2,
        "approver": "t-031",
        "guardian_ref": "g-1",
        "slow": True,
    }


def test_dates_are_the_offices_own_and_the_last_day_counts(office: Path) -> None:
    options = ["--sub", "s-1", "--category", "student", "--json"]
    options += ["--valid-from", "2090-03-01", "--valid-until", "2090-03-31"]
    facts = json.loads(issue(office, *options, timezone="Asia/Shanghai").stdout)
    assert facts["valid_from"] == "2090-02-28T16:00:00Z"
    assert facts["valid_until"] == "2090-03-31T16:00:00Z"


@pytest.mark.parametrize(
    "options",
    [
        ["--sub", "张三"],
        ["--sub", "11010519491231002X"],
        ["--sub", "13800138000"],
        ["--sub", "s-1", "--approver", "13800138000"],
        ["--sub", "s-1", "--guardian-ref", "110105491231002"],
        ["--sub", "s-1", "--group", "=1+1"],
        ["--sub", "s-1", "--zone", "食堂"],
        ["--sub", "s-1", "--days", "0"],
        ["--sub", "s-1", "--days", "99999999"],
        ["--sub", "s-1", "--valid-until", "2020-01-01"],
        ["--sub", "s-1", "--valid-until", "soon"],
        ["--sub", "s-1", "--valid-until", "9999-12-31"],
        ["--sub", "s-1", "--max-uses", "0"],
        ["--sub", "s-1", "--qr", "/nowhere/x.png"],
        ["--sub", "s-1", "--qr", "x.bmp"],
    ],
)
def test_what_must_not_be_a_pass_is_refused_in_one_sentence(
    office: Path, options: list[str]
) -> None:
    result = issue(office, "--category", "student", *options)
    assert (result.returncode, result.stdout) == (1, b"")
    [line] = result.stderr.decode().splitlines()
    assert line.startswith("gated: ")
    assert options[-1] not in line or options[-2] != "--sub"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_written_with_its_quiet_zone(
    office: Path, tmp_path: Path, ending: str
) -> None:
    picture = tmp_path / f"card.{ending}"
    made = issue(office, "--sub", "s-1", "--category", "student", "--qr", picture)
    assert made.returncode == 0
    data = picture.read_bytes()
    if ending == "svg":
        assert b"<svg" in data
        return
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width == height
    assert (width // 10 - 17 - 2 * 4) % 4 == 0  # 10 pixels a module, 4 modules on each side


def test_a_key_that_signs_nothing_is_a_configuration_error(office: Path, tmp_path: Path) -> None:
    for data in (b"", b"\xff", (office / "school.jwks.json").read_bytes()):
        (tmp_path / "key").write_bytes(data)
        result = gated(
            "pass", "issue", "--key", tmp_path / "key", "--sub", "s-1", "--category", "student"
        )
        assert result.returncode == 78
        assert len(result.stderr.splitlines()) == 1


def test_a_site_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    assert gated("pass", "sitekey", "--out", path).returncode == 0
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert gated("pass", "sitekey", "--out", path).returncode == 1
    assert path.read_bytes() == before


def test_with_a_gates_configuration_each_answer_says_whether_the_code_is_enough(
    tmp_path: Path,
) -> None:
    trust = f'trust = "{GOLDEN / "trust"}"'
    asked = (
        'asked_of = ["student"]\nenough = [{ name = "pcr", evidence = "test", max_age_h = 48.0 }]'
    )
    plain, strict = tmp_path / "plain.toml", tmp_path / "strict.toml"
    plain.write_text(with_keys("credentials", trust), encoding="utf-8")
    strict.write_text(
        with_keys("credentials", trust) + f"[certificates]\n{asked}\n", encoding="utf-8"
    )
    text = CARD.encode()
    assert verified(text, "--now", NOW, "--config", plain) == [{**VALID, "enough": True}]
    assert verified(text, "--now", NOW, "--config", strict) == [{**VALID, "enough": False}]
    assert verified(text, "--now", "2027-03-01", "--config", plain)[0]["enough"] is False
    answer = gated("verify", "--now", NOW, "--config", strict, stdin=text)
    assert answer.stdout.decode().endswith("; not enough for this gate\n")
    assert answer.returncode == 0, "genuine it is"
    nothing = gated("verify", "--config", tmp_path / "none.toml", stdin=text)
    assert nothing.returncode == 78
