"""The page that makes a phone show a changing pass: one HTML file that needs nothing else.

Its parts lie in gated/commands/phone. The key is in the page: whoever has the page has the pass.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template

from gated.credentials import gp1
from gated.credentials.changing import CHANGES_EVERY_S
from gated.credentials.gp1 import Gp1Claims
from gated.office.moments import shown_span

SCRIPTS = ("qrcode-generator.js", "hmac.js", "code.js", "page.js")


def phone_page(
    text: str, claims: Gp1Claims, key: bytes, *, made_at: datetime, name: str = ""
) -> str:
    """Return the page as HTML.

    Args:
        text: the pass, which says that it changes.
        claims: what ``text`` says.
        key: the phone's (``pseudonym.phone_key``).
        made_at: now; a phone that thinks it is earlier has a wrong clock.
        name: the holder's, shown above the code and never in it.
    """
    folder = files("gated.commands") / "phone"

    def part(file_name: str) -> str:
        return (folder / file_name).read_text(encoding="utf-8")

    script = "\n" + "\n".join(part(file_name) for file_name in SCRIPTS)
    style = "\n" + part("page.css")
    card = {
        "text": text.removeprefix(gp1.PREFIX),
        "key": key.hex(),
        "every_s": CHANGES_EVERY_S,
        "made_s": int(made_at.timestamp()),
        "from_s": int(claims.not_before.timestamp()),
        "until_s": int(claims.expires_at.timestamp()),
    }
    facts = (claims.group, shown_span(claims.not_before, claims.expires_at))
    return Template(part("page.html")).substitute(
        policy=_policy(script, style),
        style=style,
        script=script,
        data=json.dumps(card).replace("<", "\\u003c"),
        name=escape(name or claims.sub),
        facts=escape(" · ".join(filter(None, facts))),
    )


def _policy(script: str, style: str) -> str:
    """Return the content security policy: these two parts, and nothing from or to anywhere."""
    return (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(part: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(part.encode()).digest()).decode()}"
