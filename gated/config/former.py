"""Keys that a configuration of another version has, and what has become of them. Pure.

Whoever renames a key or takes one out adds it here; a test holds every key that ever was.
"""

from __future__ import annotations

from collections.abc import Mapping

from gated import __version__

FORMER: Mapping[str, str] = {
    "credentials.site_key_id": (
        "is gone, the site key's file holds its own id: take the line out (已取消，请删除此行)"
    ),
    "version": (
        f"this gated ({__version__}) numbers no configuration: it is of a newer one. Update gated, "
        "or take the line out (配置来自更新的版本：请升级 gated)"
    ),
}
"""Path of a key → what to do. A renamed one: ``is called NEW now (现名 NEW)``."""
