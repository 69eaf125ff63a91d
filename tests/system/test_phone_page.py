"""The page for a phone in a real Chromium: what the gate's own eye reads off it is verified."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gated.cli import main
from gated.clock import SystemClock
from gated.credentials import changing, gp1
from gated.credentials.keys import load_private_key
from gated.credentials.pseudonym import load_site_key, phone_key
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustList
from gated.credentials.verify import Verification, verify
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import parse_picture
from gated.vocabulary import CredentialStatus, HolderCategory, Reason
from tests.brokers import wait_until
from tests.browser import Browser

NAME = "王小明 <Wang & Co>"
CLOCK_TOLERANCE_S = 0.01


@dataclass(frozen=True)
class Office:
    page: Path
    static: str  # the card that the page was made of
    trust: TrustList
    site_key: bytes

    def judge(self, text: str, now: datetime) -> Verification:
        return verify(text, now=now, trust=self.trust, site_key=self.site_key)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    card, page = folder / "card.json", folder / "phone.html"
    key, site_key = folder / "school.key.pem", folder / "site.key"
    assert main(["pass", "keygen", "--out", str(folder)]) == 0
    assert main(["pass", "sitekey", "--out", str(site_key)]) == 0
    now = SystemClock().now().replace(microsecond=0)
    claims = gp1.Gp1Claims(
        sub="s-0412",
        category=HolderCategory.STUDENT,
        not_before=now - timedelta(days=1),
        expires_at=now + timedelta(days=200),
        cti=bytes(8),
        group="g3-2",
    )
    static = gp1.seal(claims, load_private_key(key))
    card.write_text(static + "\n")
    arguments = ["--pass", card, "--key", key, "--site-key", site_key, "--name", NAME]
    assert main(["pass", "phone", *map(str, arguments), "--out", str(page)]) == 0
    (folder / "trust").mkdir()
    (folder / "school.jwks.json").rename(folder / "trust" / "school.jwks.json")
    return Office(page, static, load_trust(folder / "trust"), load_site_key(site_key).key)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser of one's own: its clock can be set once."""
    with Browser(tmp_path) as browser:
        # As on a page from plain HTTP, which has no crypto.subtle.
        script = "Object.defineProperty(window, 'crypto', { value: undefined })"
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        yield browser


class Phone:
    """A page under a clock that only the test moves."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder
        self.eye = Cascade(load_decoders()[0])

    def open(self, page: Path, at: datetime) -> None:
        self.browser.call(
            "Emulation.setVirtualTimePolicy", policy="pause", initialVirtualTime=at.timestamp()
        )
        self.show(page)
        assert abs(self.now - at) < timedelta(seconds=2)

    def show(self, page: Path) -> None:
        self.browser.open(page.as_uri())
        self.wait(0.5)
        assert self.browser.shows("changes in")

    def wait(self, seconds: float) -> None:
        until_s = self.now.timestamp() + seconds
        self.browser.call(
            "Emulation.setVirtualTimePolicy", policy="advance", budget=seconds * 1_000
        )
        assert wait_until(lambda: self.now.timestamp() >= until_s - CLOCK_TOLERANCE_S, 20.0)

    @property
    def now(self) -> datetime:
        now_ms = self.browser.evaluate("Date.now()")
        assert isinstance(now_ms, int | float)
        return datetime.fromtimestamp(now_ms / 1_000, UTC)

    def code(self) -> str:
        """Return what the gate's eye reads off the screen."""
        path = self.folder / "screen.png"
        self.browser.screenshot(path)
        pixels = parse_picture(path.read_bytes())
        assert isinstance(pixels, np.ndarray)
        (text,) = self.eye.decode_picture(pixels).texts
        return text


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Phone:
    browser.resize(390, 844)
    return Phone(browser, tmp_path)


def soon() -> datetime:
    return SystemClock().now().replace(microsecond=0) + timedelta(seconds=5)


def test_the_screen_shows_a_code_that_is_good_now_and_another_one_half_a_minute_later(
    phone: Phone, office: Office
) -> None:
    phone.open(office.page, soon())
    first, shown_at = phone.code(), phone.now
    result = office.judge(first, shown_at)
    assert (result.status, result.format) == (CredentialStatus.VALID, "GP1T")
    assert result.proof is not None
    assert result.proof.made_at is not None
    phone.wait(20)
    assert phone.code() == first
    assert "changes in" in phone.browser.text()
    phone.wait(11)
    second = phone.code()
    later = office.judge(second, phone.now)
    assert (second != first, later.status) == (True, CredentialStatus.VALID)
    assert later.proof is not None
    assert later.proof.made_at is not None
    assert later.proof.made_at - result.proof.made_at == timedelta(seconds=30)
    old = result.proof.made_at + timedelta(seconds=121)
    assert office.judge(first, old).reasons == (Reason.STALE_CODE,)
    assert phone.browser.console == []


def test_the_name_is_on_the_page_and_not_in_the_code_and_nothing_is_fetched(
    phone: Phone, office: Office
) -> None:
    phone.open(office.page, soon())
    assert phone.browser.text().splitlines()[0] == NAME
    assert phone.browser.evaluate("performance.getEntriesByType('resource').length") == 0
    proof = office.judge(phone.code(), phone.now).proof
    assert proof is not None
    assert proof.subject == "s-0412"
    assert stat.S_IMODE(office.page.stat().st_mode) == 0o600


def test_the_pass_on_the_phone_is_another_than_the_card_and_no_copy_of_it_opens(
    office: Office,
) -> None:
    card = office.judge(office.static, soon()).proof
    page = office.page.read_text(encoding="utf-8")
    text = json.loads(page.partition('id="pass">')[2].partition("</script>")[0])["text"]
    copy = office.judge("GP1:" + text, soon())
    assert copy.reasons == (Reason.STALE_CODE,)
    assert card is not None
    assert copy.proof is not None
    assert (card.code_id != copy.proof.code_id, card.subject) == (True, copy.proof.subject)


def test_the_code_is_read_on_every_screen_and_is_white_in_the_dark(
    phone: Phone, office: Office
) -> None:
    phone.open(office.page, soon())
    for width, height in ((320, 568), (390, 844), (844, 390), (1280, 800)):
        for is_dark in (False, True):
            phone.browser.resize(width, height, is_dark=is_dark)
            phone.show(office.page)
            fills_a_white_screen(phone, office)


def fills_a_white_screen(phone: Phone, office: Office) -> None:
    assert office.judge(phone.code(), phone.now).status is CredentialStatus.VALID
    assert phone.browser.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    side, room = (
        phone.browser.evaluate(expression)
        for expression in (
            "document.getElementById('code').getBoundingClientRect().width",
            "Math.min(document.documentElement.clientWidth, innerHeight * 0.62)",
        )
    )
    assert isinstance(side, int | float)
    assert isinstance(room, int | float)
    assert 0.75 * room <= side <= room


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(days=-2), "Your phone’s clock is wrong"),
        (timedelta(days=201), "This pass is over"),
        (timedelta(0), ""),
    ],
)
def test_a_clock_that_cannot_be_right_and_a_pass_that_is_over_are_told(
    phone: Phone, office: Office, away: timedelta, said: str
) -> None:
    phone.open(office.page, soon() + away)
    alarms = phone.browser.evaluate(
        "[...document.querySelectorAll('.alarm')].filter(a => a.offsetHeight)"
        ".map(a => a.innerText).join()"
    )
    assert isinstance(alarms, str)
    assert said in alarms
    assert bool(said) is bool(alarms)
    assert "set date, time and time zone to automatic" in phone.browser.text()


def test_a_clock_that_is_set_back_gives_a_new_code_and_not_an_old_one(
    phone: Phone, office: Office
) -> None:
    phone.open(office.page, soon() + timedelta(hours=1))
    early = office.judge(phone.code(), phone.now)
    phone.browser.evaluate("Date.now = (now => () => now() - 3600000)(Date.now)")
    phone.wait(1)
    proof = office.judge(phone.code(), phone.now).proof
    assert proof is not None
    assert proof.made_at is not None
    assert early.proof is not None
    assert early.proof.made_at is not None
    assert timedelta(hours=1) >= early.proof.made_at - proof.made_at >= timedelta(minutes=59)


# --- SHA-256 and HMAC as the page has them -------------------------------------------------------

SHA_256_EXAMPLES = {  # NIST, FIPS 180-4 examples
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmno"
    "pqrsmnopqrstnopqrstu": "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    "a" * 1_000_000: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
}
HMAC_EXAMPLES = [  # RFC 4231 §4.2–4.4, 4.5, 4.7, 4.8: key, data, HMAC-SHA-256
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


@pytest.fixture
def page(phone: Phone, office: Office) -> Browser:
    phone.open(office.page, soon())
    return phone.browser


def test_sha_256_gives_the_published_digests(page: Browser) -> None:
    for text, digest in SHA_256_EXAMPLES.items():
        script = f"hexOf(sha256(new TextEncoder().encode({json.dumps(text)}))).toLowerCase()"
        assert page.evaluate(script) == digest


def test_hmac_gives_the_published_macs(page: Browser) -> None:
    for key, data, mac in HMAC_EXAMPLES:
        assert hmac.new(key, data, hashlib.sha256).hexdigest() == mac
        script = f"hexOf(hmacSha256(bytesOfHex('{key.hex()}'), bytesOfHex('{data.hex()}')))"
        assert page.evaluate(script) == mac.upper()


def test_sha_256_is_right_at_every_length_around_its_blocks(page: Browser) -> None:
    digests = page.evaluate(
        "Array.from({ length: 200 }, (_, n) =>"
        " hexOf(sha256(Uint8Array.from({ length: n }, (_, i) => i))).toLowerCase())"
    )
    assert digests == [hashlib.sha256(bytes(range(n))).hexdigest() for n in range(200)]


def test_the_page_makes_the_codes_that_the_gate_expects_at_any_time(
    page: Browser, office: Office
) -> None:
    key = phone_key(office.site_key, b"12345678", b"87654321")
    times_s = [0, 1, 2**31 - 1, 2**31, changing.LAST_TIME_S, 1_795_678_200]
    script = (
        f"[{','.join(map(str, times_s))}].map(s => codeText('A:B', bytesOfHex('{key.hex()}'), s))"
    )
    assert page.evaluate(script) == [changing.wrap("GP1:A:B", key, made_s) for made_s in times_s]
