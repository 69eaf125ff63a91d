"""``gated pass``: an office's register and cards, single passes, keys, printed pages.

For an office, not for a gate. Each file beside this one whose name begins with ``pass_`` adds its
own actions.
"""

from __future__ import annotations

import argparse
from typing import cast

from gated.commands import (
    lamp_card,
    pass_issue,
    pass_keys,
    pass_office,
    pass_people,
    pass_phone,
    pass_register,
    pass_revoke,
    pass_roster,
    pass_show,
    value_sheet,
)

HELP = "make keys and passes, and look into a pass 制作密钥与通行证"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for part in (
        *(pass_office, pass_roster, pass_register, pass_people, pass_revoke, pass_phone),
        *(pass_issue, pass_show, pass_keys),
    ):
        part.add_commands(actions.add_parser)
    for name, page, help_text in (
        (
            "value-sheet",
            value_sheet,
            "print the contact thermometer's values as codes 打印体温值卡",
        ),
        ("lamp-card", lamp_card, "print what lamps and sounds mean 打印灯光声音说明卡"),
    ):
        page_parser = actions.add_parser(name, help=help_text)
        page.add_arguments(page_parser)
        page_parser.set_defaults(run_action=page.run)


def run(args: argparse.Namespace) -> int:
    return cast("int", args.run_action(args))
