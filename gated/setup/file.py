"""The setup file: keys of gated.toml, and ``[setup]`` with what goes beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import StrictBool, ValidationInfo, field_validator

from gated.config.files import read_small_file
from gated.config.load import parse_toml, read_text, refuse, validate
from gated.config.settings import Settings, setting
from gated.credentials.trust import MAX_FILE_BYTES
from gated.errors import ConfigError
from gated.setup.plan import Wishes, is_plain_name


class SetupSettings(Settings):
    """``[setup]``: what the gate's own file never holds. Files lie beside the setup file."""

    mqtt_password: str | None = setting(None, en="Password at the broker.", zh="MQTT 密码")
    site_key: str | None = setting(
        None, en="The site's key, as its file holds it; not set: a new one.", zh="站点密钥"
    )
    ca: str | None = setting(None, en="File with the broker's CA.", zh="服务器 CA 的文件名")
    trust: tuple[str, ...] = setting(
        (), max_length=64, en="Files with the issuers' public keys.", zh="签发者公钥的文件名"
    )
    claim: str | None = setting(
        None, en="One-time code of the centre, in place of everything else.", zh="认领码"
    )
    claim_broker: str | None = setting(
        None, en="Where to claim, if the code does not say.", zh="认领时连接的服务器"
    )
    replace: StrictBool = setting(
        False, en="Replace a configuration that is there, and keep it beside.", zh="替换已有配置"
    )
    start: StrictBool = setting(
        True, en="From the boot partition: start the gate, now and at each boot.", zh="随即启动"
    )

    @field_validator("ca", "trust")
    @classmethod
    def _lies_beside(cls, value: str | tuple[str, ...] | None, _: ValidationInfo) -> object:
        for name in (value,) if isinstance(value, str) else value or ():
            if not is_plain_name(name):
                raise ValueError(
                    "must be the name of a file beside this one (须为同文件夹内的文件)"
                )
        return value


class _SetupTable(Settings):
    setup: SetupSettings = setting(SetupSettings(), en="What goes beside it.", zh="附带内容")


@dataclass(frozen=True, slots=True)
class SetupFile:
    """A setup file that could be read."""

    wishes: Wishes
    settings: SetupSettings


def read_setup_file(path: Path) -> SetupFile:
    """Return what the file at ``path`` asks for.

    Raises: ConfigError: it cannot be read, or its ``[setup]`` or a file that it names cannot.
    """
    tables = parse_toml(read_text(path), str(path))
    own = {"setup": tables.pop("setup")} if "setup" in tables else {}
    found = validate(_SetupTable, own)
    if isinstance(found, tuple):
        refuse(found, str(path))
    settings = found.setup
    if settings.claim is not None and tables:
        refuse((f"with claim the centre sends [{next(iter(tables))}] (配置由中心提供)",), str(path))
    folder = path.parent
    wishes = Wishes(
        tables=tables,
        mqtt_password=settings.mqtt_password,
        site_key=settings.site_key,
        ca=None if settings.ca is None else read_beside(folder / settings.ca),
        trust={name: read_beside(folder / name) for name in settings.trust},
    )
    return SetupFile(wishes, settings)


def read_beside(path: Path) -> bytes:
    """Return what is in the file at ``path``. Raises: ConfigError."""
    try:
        return read_small_file(path, most_bytes=MAX_FILE_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} is missing (文件不存在)") from exc
