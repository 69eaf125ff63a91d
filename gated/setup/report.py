"""What was written and what to do next, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

from gated.credentials.trust import key_files
from gated.setup.plan import Plan
from gated.setup.writing import Done
from gated.texts import Pair as Text


def what_was_done(plan: Plan, done: Done) -> list[Text]:
    """Return the lines for people. No secret is in them."""
    return [*_facts(plan, done), *_doubts(plan)]


def next_steps(plan: Plan) -> list[Text]:
    """Return what to do now, at a terminal."""
    steps: list[Text] = []
    if plan.config.uplink.endpoint.is_tls and not _has_credentials(plan):
        steps.append(
            (
                "  sudo gated certificate request    申请连接证书，见 docs/broker-certificates.md",
                "  sudo gated certificate request    for the broker: docs/broker-certificates.md",
            )
        )
    return [
        ("下一步：", "next:"),
        *steps,
        ("  gated config check                检查配置", "  gated config check"),
        ("  sudo gated doctor                 体检", "  sudo gated doctor"),
        (
            "  sudo systemctl enable --now gated.target    启动，并设为开机自启",
            "  sudo systemctl enable --now gated.target    start it, now and at each boot",
        ),
    ]


def _has_credentials(plan: Plan) -> bool:
    uplink = plan.config.uplink
    return uplink.password_file is not None or uplink.cert_file is not None


def _facts(plan: Plan, done: Done) -> Iterator[Text]:
    gate = f"{plan.config.gate.site}/{plan.config.gate.name}"
    yield f"闸机 {gate}", f"gate {gate}"
    if not done.written:
        yield "内容与已有的相同，无需更改", "everything was so already: nothing was changed"
    for path in done.written:
        yield f"已写入 {path}", f"written {path}"
    for path in done.kept:
        yield f"原文件保留为 {path}", f"what was there is kept as {path}"
    key = plan.config.credentials.site_key_file
    if plan.makes_site_key:
        yield (
            f"{key} 是新站点密钥：同一单位的其他闸机须用同一密钥",
            f"{key} is a new site key: the site's other gates must get this same one",
        )
    trust = plan.config.credentials.trust
    if not (trust.is_dir() and key_files(trust)):
        yield (
            "未附签发者公钥：没有公钥，任何码都不能通过，见 gated trust add",
            "no issuer's public key came along: without one no code is accepted: gated trust add",
        )


def _doubts(plan: Plan) -> Iterator[Text]:
    for doubt in plan.doubts:
        yield f"注意：{doubt}", f"warning: {doubt}"
