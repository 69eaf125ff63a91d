"""``gated pass office init``: an office in one step."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gated.commands.pass_folder import add_folder, now_here, typed_folder
from gated.errors import ExitCode


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    office = add("office", help="set up the office that makes passes 建立发证办公室")
    steps = office.add_subparsers(dest="step", metavar="STEP", required=True)
    init = steps.add_parser(
        "init",
        help="folder, keys and register in one step 一步建好",
        description="Makes the folder with the signing key, the site key and the register. What is "
        "there already stays as it is: it may be run again. To go on with a key that you have, "
        "copy it to DIR/office.key.pem first (and the site key to DIR/for-gates/site.key).",
    )
    add_folder(init)
    init.add_argument(
        "--site",
        required=True,
        metavar="NAME",
        help="the school's or village's name, for the cards",
    )
    init.set_defaults(run_action=_init)


def _init(args: argparse.Namespace) -> int:
    from gated.office.folder import make_office, office_folder
    from gated.office.lists import write_duty_list, write_revocations

    folder = office_folder(args.dir)
    now = now_here()
    with make_office(folder, args.site) as office:
        write_duty_list(office, now)
        next_at = write_revocations(office, now)
    print(f"office       {folder.path}  ({args.site})")
    print(f"private      {folder.key}, {folder.register}: they never leave this computer; keep one")
    print("             copy of both locked away")
    print(f"for gates    everything in {folder.for_gates}: copy it to /etc/gated of every gate,")
    print("             readable there for the gate's user; it is all that a gate needs")
    where = typed_folder(args)
    print(
        f"             revocations: renew by {next_at:%Y-%m-%d}: gated pass revoke --renew{where}"
    )
    print(f"next         gated pass roster class.csv{where}   (columns: 姓名 name, 班级 class)")
    print(
        f"下一步       把 {folder.for_gates} 里的全部内容复制到每台闸机的 /etc/gated；私钥和登记册"
    )
    print(
        "             不离开这台电脑，另存一份锁好。然后导入名册：gated pass roster 名册.csv"
        + where
    )
    return int(ExitCode.OK)
