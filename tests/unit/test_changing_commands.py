"""``gated pass phone`` and ``gated verify --site-key``, as an office and a technician type them."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from gated.cli import main
from gated.clock import SystemClock
from gated.credentials import changing, gp1
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.trust import load_trust
from gated.credentials.verify import verify
from gated.vocabulary import CredentialStatus, Reason
from tests.changing_passes import CODE, GOLDEN, NOW, PASS, SITE_KEY

Typed = pytest.CaptureFixture[str]


def data_of(page: Path) -> dict[str, str]:
    """Return what the page's script is given."""
    text = page.read_text(encoding="utf-8")
    data: dict[str, str] = json.loads(text.partition('id="pass">')[2].partition("</script>")[0])
    return data


def claims_of(page: Path) -> Gp1Claims:
    text = gp1.PREFIX + data_of(page)["text"]
    return gp1.parse_claims(gp1.open_envelope(text).payload)


def run(*arguments: object) -> int:
    return main(["pass", *map(str, arguments)])


@pytest.fixture
def office(tmp_path: Path) -> Path:
    folder = tmp_path / "office"
    assert run("office", "init", "--dir", folder, "--site", "立新小学") == 0
    roster = tmp_path / "roster.csv"
    roster.write_text("姓名,班级\n王小明,g3-2\n李雷,g3-2\n", encoding="utf-8")
    assert run("roster", roster, "--dir", folder) == 0
    return folder


def phone(office: Path, who: str) -> int:
    return run("phone", who, "--dir", office)


# --- with a register -----------------------------------------------------------------------------


def test_a_card_becomes_a_page_for_the_phone_and_is_revoked(office: Path, capsys: Typed) -> None:
    assert phone(office, "王小明") == 0
    page = office / "print" / "phone-0003.html"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    claims = claims_of(page)
    assert (claims.sub, claims.group, claims.is_changing) == ("s-0001", "g3-2", True)
    assert "王小明" in page.read_text(encoding="utf-8")
    assert "No. 0001" in capsys.readouterr().out
    assert run("register", "list", "--dir", office) == 0
    listed = capsys.readouterr().out
    assert "No. 0003" in listed
    assert "No. 0001" not in listed


def test_what_the_page_would_show_opens_the_sites_gates(office: Path) -> None:
    assert phone(office, "s-0001") == 0
    data = data_of(office / "print" / "phone-0003.html")
    now = SystemClock().now()
    code = changing.wrap(data["text"], bytes.fromhex(data["key"]), int(now.timestamp()))
    trust = load_trust(office / "for-gates" / "trust")
    from gated.credentials.pseudonym import load_site_key

    site_key = load_site_key(office / "for-gates" / "site.key").key
    assert verify(code, now=now, trust=trust, site_key=site_key).status is CredentialStatus.VALID
    later = now + timedelta(seconds=122)
    result = verify(code, now=later, trust=trust, site_key=site_key)
    assert result.reasons == (Reason.STALE_CODE,)


def test_the_page_of_a_changing_pass_is_made_again_and_nothing_is_revoked(office: Path) -> None:
    assert phone(office, "1") == 0
    page = office / "print" / "phone-0003.html"
    first = data_of(page)
    page.unlink()
    assert phone(office, "3") == 0
    assert {**data_of(page), "made_s": 0} == {**first, "made_s": 0}


def test_nobody_and_two_of_the_same_name_get_no_page(office: Path, capsys: Typed) -> None:
    assert phone(office, "韩梅梅") == 1
    roster = office.parent / "twice.csv"
    roster.write_text("姓名,班级,编号\n李雷,g4-1,新\n", encoding="utf-8")
    assert run("roster", roster, "--dir", office) == 0
    capsys.readouterr()
    assert phone(office, "李雷") == 1
    said = capsys.readouterr().err
    assert "No. 0002" in said
    assert "No. 0003" in said
    assert not list((office / "print").glob("phone-*"))


# --- without one ---------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> list[object]:
    assert run("keygen", "--out", tmp_path) == 0
    assert run("sitekey", "--out", tmp_path / "site.key") == 0
    return ["--key", tmp_path / "school.key.pem", "--site-key", tmp_path / "site.key"]


def issue(tmp_path: Path, capsys: Typed) -> Path:
    capsys.readouterr()
    key = tmp_path / "school.key.pem"
    assert run("issue", "--key", key, "--sub", "s-0412", "--category", "student") == 0
    card = tmp_path / "card.txt"
    card.write_text(capsys.readouterr().out)
    return card


def test_a_pass_by_hand_becomes_a_page_and_says_which_card_to_revoke(
    tmp_path: Path, keys: list[object], capsys: Typed
) -> None:
    card, page = issue(tmp_path, capsys), tmp_path / "page.html"
    old = gp1.parse_claims(gp1.open_envelope(card.read_text().strip()).payload)
    assert run("phone", "--pass", card, *keys, "--out", page) == 0
    claims = claims_of(page)
    said = capsys.readouterr().out
    assert (claims.sub, claims.is_changing) == ("s-0412", True)
    assert old.cti != claims.cti
    assert old.cti.hex() in said
    assert claims.cti.hex() in said
    assert data_of(page)["key"] not in said


def test_a_pass_of_another_key_gets_no_page(
    tmp_path: Path, keys: list[object], capsys: Typed
) -> None:
    (tmp_path / "card.txt").write_text(PASS)
    page = tmp_path / "page.html"
    assert run("phone", "--pass", tmp_path / "card.txt", *keys, "--out", page) == 1
    assert "another key signed this pass" in capsys.readouterr().err
    assert not page.exists()


@pytest.mark.parametrize("text", ["", "GP1:", "GV1:36.6", CODE, "\xff"])
def test_what_is_no_pass_gets_no_page_and_is_not_repeated(
    tmp_path: Path, keys: list[object], capsys: Typed, text: str
) -> None:
    (tmp_path / "card.txt").write_bytes(text.encode("latin-1"))
    page = tmp_path / "page.html"
    assert run("phone", "--pass", tmp_path / "card.txt", *keys, "--out", page) == 1
    said = capsys.readouterr().err
    assert "not a GP1 pass" in said
    assert text not in said or len(text) < 5
    assert not page.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--key", "k"],
        ["1", "--key", "k", "--site-key", "s", "--pass", "p", "--out", "page.html"],
        ["--key", "k", "--site-key", "s", "--pass", "p", "--dir", "office"],
        ["1", "--name", "Xiaoming"],
        ["1", "--out", "page.pdf"],
    ],
)
def test_arguments_that_do_not_go_together_are_told(arguments: list[str], capsys: Typed) -> None:
    assert main(["pass", "phone", *arguments]) == 1
    assert "gated: " in capsys.readouterr().err


# --- gated verify --------------------------------------------------------------------------------


def verified(
    text: str,
    site_key: Path | None,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Typed,
) -> list[str]:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(text.encode())))
    arguments = ["verify", "--json", "--trust", str(GOLDEN / "trust"), "--now", now.isoformat()]
    if site_key is not None:
        arguments += ["--site-key", str(site_key)]
    assert main(arguments) == 0
    reasons: list[str] = json.loads(capsys.readouterr().out)["reasons"]
    return reasons


def test_verify_judges_a_changing_code_with_the_sites_key_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Typed
) -> None:
    site_key = tmp_path / "site.key"
    site_key.write_bytes(b64encode(SITE_KEY))
    late = NOW + timedelta(seconds=121)
    for text, key, now, reasons in (
        (CODE, site_key, NOW, []),
        (CODE, None, NOW, ["unknown_key"]),
        (CODE, site_key, late, ["stale_code"]),
        (PASS, site_key, NOW, ["stale_code"]),
    ):
        assert verified(text, key, now.astimezone(UTC), monkeypatch, capsys) == reasons
