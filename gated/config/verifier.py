"""Verifying codes at the issuer's platform: ``[verifier]``. Off by default."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import StrictBool, StrictFloat, StrictInt, field_validator, model_validator

from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import HolderCategory

MAX_TOKEN_CHARACTERS = 2_048
MAX_TOKEN_KINDS = 8
MAX_RESULTS = 32
DEFAULT_PORT = 443


class PlatformResult(enum.StrEnum):
    """What a platform says of a code. Vendors number these, each differently."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"  # known, and nothing to be said
    EXPIRED = "expired"
    DOES_NOT_EXIST = "does_not_exist"
    VERIFICATION_FAILED = "verification_failed"
    TIME_OUT = "time_out"  # something behind the platform did not answer it


class TokenCharacters(enum.StrEnum):
    """What a token is written with."""

    ANY = "any"  # printable ASCII without the blank
    ALPHANUMERIC = "alphanumeric"
    BASE64 = "base64"  # either alphabet, and the padding
    HEX = "hex"
    DIGITS = "digits"


class WhenUnreachable(enum.StrEnum):
    """What becomes of a code that the platform says nothing about."""

    SEE_STAFF = "see_staff"
    DENY = "deny"
    LAST_ANSWER = "last_answer"  # if there is one that is not too old; else as see_staff


@dataclass(frozen=True, slots=True)
class PlatformAddress:
    """Where a platform is asked."""

    host: str
    port: int
    target: str  # path and query


def parse_platform(url: str) -> PlatformAddress:
    """Return the address that ``url`` names. Raises: ValueError: saying what it should be.

    The message never repeats the URL: somebody may have written a key into it.
    """
    shape = 'must be "https://HOST/PATH" (格式应为 https://主机/路径)'
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(shape) from exc
    if parts.scheme != "https" or not host or port == 0 or parts.fragment:
        raise ValueError(shape)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password: use key_file (不要写入用户名或密码)")
    if not url.isascii() or " " in url:
        raise ValueError("must be ASCII without blanks (只能用英文字符，不含空格)")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return PlatformAddress(host, port or DEFAULT_PORT, target)


class TokenSettings(Settings):
    """One kind of code that the platform knows.

    A prefix, a length and an alphabet, and no regular expression: some of those take for ever on a
    text that a stranger has made for the purpose.
    """

    prefix: str = setting(
        "", max_length=200, en="It begins with this, letter for letter.", zh="开头(区分大小写)"
    )
    min_characters: StrictInt = setting(
        16, ge=8, le=MAX_TOKEN_CHARACTERS, en="Shortest, with the prefix.", zh="最短(含开头)"
    )
    max_characters: StrictInt = setting(
        512, ge=8, le=MAX_TOKEN_CHARACTERS, en="Longest, with the prefix.", zh="最长(含开头)"
    )
    characters: TokenCharacters = setting(
        TokenCharacters.ANY, en="What stands after the prefix.", zh="其余字符的种类"
    )

    @field_validator("prefix")
    @classmethod
    def _prefix_is_plain(cls, value: str) -> str:
        if not value.isascii() or " " in value:
            raise ValueError("must be ASCII without blanks (只能用英文字符，不含空格)")
        return value

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.max_characters < self.min_characters:
            raise ValueError(
                f"max_characters must not be below min_characters = {self.min_characters} "
                "(max_characters 不得小于 min_characters)"
            )
        if self.max_characters <= len(self.prefix):
            raise ValueError("max_characters leaves nothing after prefix (开头之后没有余地)")
        return self


class ResultSettings(Settings):
    """One of the platform's own values, and its name here."""

    says: str = setting(
        REQUIRED, min_length=1, max_length=64, en="The platform's value.", zh="平台返回值"
    )
    means: PlatformResult = setting(REQUIRED, en="Its name.", zh="含义")


class VerifierSettings(Settings):
    """The issuer's platform that is asked about codes which prove nothing offline."""

    enabled: StrictBool = setting(
        False, en="Whether such codes are sent to the platform at all.", zh="是否启用联网核验"
    )
    url: str | None = setting(
        None, en="Where it is asked: https://HOST/PATH.", zh="核验接口地址 https://主机/路径"
    )
    app_id: str | None = setting(
        None,
        min_length=1,
        max_length=128,
        en="Who asks, as the platform knows it. Not set: the gate's MQTT client id.",
        zh="平台分配的应用编号；不填用本机编号",
    )
    key_file: Path | None = setting(
        None,
        en="File with the secret that signs requests (HMAC-SHA-256). Never the secret itself.",
        zh="请求签名密钥文件(密钥不写在此处)",
    )
    ca_file: Path | None = setting(
        None, en="CA certificate of the platform. Not set: the system's.", zh="平台的 CA 证书"
    )
    tokens: tuple[TokenSettings, ...] = setting(
        (),
        min_length=0,
        max_length=MAX_TOKEN_KINDS,
        en="Which codes are sent. Anything else never leaves the gate.",
        zh="哪些码送平台核验；其余不外传",
    )
    result_member: str = setting(
        "result",
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,4}$",
        example="data.healthStatus",
        en="Where in the answer the result stands; nothing else of it is read.",
        zh="结果在应答中的位置；其余不读取",
    )
    results: tuple[ResultSettings, ...] = setting(
        (),
        min_length=0,
        max_length=MAX_RESULTS,
        en="The platform's values. Not set: it says our names.",
        zh="平台返回值对照；不填则为本表名称",
    )
    time_out_s: StrictFloat = setting(
        2.0, ge=0.2, le=15.0, unit="s", en="How long an answer is awaited.", zh="等待应答的时间"
    )
    cache_s: StrictFloat = setting(
        30.0,
        ge=0.0,
        le=600.0,
        unit="s",
        en="A code shown again within this is not asked about again.",
        zh="此时间内再次出示不重复核验",
    )
    when_unreachable: WhenUnreachable = setting(
        WhenUnreachable.SEE_STAFF,
        en="Without an answer: staff, no entry, or the last answer of this code.",
        zh="无应答时：找老师、拒绝，或用此码上次结果",
    )
    cache_max_age_s: StrictFloat = setting(
        3_600.0,
        ge=60.0,
        le=86_400.0,
        unit="s",
        en="How old a last answer may be.",
        zh="上次结果的最长有效时间",
    )
    category: Literal[
        HolderCategory.VISITOR,
        HolderCategory.STUDENT,
        HolderCategory.STAFF,
        HolderCategory.COURIER,
    ] = setting(HolderCategory.VISITOR, en="What such a holder counts as.", zh="持码人类别")

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None:
            parse_platform(value)
        return value

    @field_validator("app_id")
    @classmethod
    def _fits_a_header(cls, value: str | None) -> str | None:
        if value is not None and (not value.isascii() or " " in value):
            raise ValueError("must be ASCII without blanks (只能用英文字符，不含空格)")
        return value

    @field_validator("results")
    @classmethod
    def _says_each_once(cls, value: tuple[ResultSettings, ...]) -> tuple[ResultSettings, ...]:
        if len({entry.says for entry in value}) != len(value):
            raise ValueError("each value of the platform once (平台返回值重复)")
        return value

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if not self.enabled:
            return self
        missing = [name for name in ("url", "key_file", "tokens") if not getattr(self, name)]
        if missing:
            raise ValueError(f"enabled needs {', '.join(missing)} (启用时必须填写)")
        if self.cache_max_age_s < self.cache_s:
            raise ValueError("cache_max_age_s must not be below cache_s (不得小于 cache_s)")
        return self

    @property
    def address(self) -> PlatformAddress | None:
        """Where the platform is asked; None: nowhere."""
        return None if self.url is None else parse_platform(self.url)
