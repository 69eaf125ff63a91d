"""``gated pass keygen`` and ``sitekey``: the two secrets, each made once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from gated.errors import ExitCode


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    keygen = add("keygen", help="make a key pair that signs passes 生成签发密钥")
    keygen.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the two files"
    )
    keygen.add_argument("--name", default="school", help="begins the two files' names")
    keygen.set_defaults(run_action=_keygen)

    sitekey = add("sitekey", help="make the key under which persons become pseudonyms 生成站点密钥")
    sitekey.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new file")
    sitekey.set_defaults(run_action=_make_site_key)


def _keygen(args: argparse.Namespace) -> int:
    from gated.credentials.keys import make_key_pair

    pair = make_key_pair(args.out, args.name)
    print(f"key id       {pair.key_id.hex()}")
    print(
        f"private key  {pair.private_path}  (stays in the office; make one copy and lock it away)"
    )
    print(f"public keys  {pair.public_path}  (copy into the trust folder of every gate)")
    print(
        f"next         gated pass issue --key {pair.private_path} --sub s-0412 --category student"
    )
    print(
        "下一步       私钥留在办公室妥善保管；"
        f"把 {pair.public_path.name} 复制到每台闸机的信任目录。"
    )
    return int(ExitCode.OK)


def _make_site_key(args: argparse.Namespace) -> int:
    from gated.credentials.pseudonym import make_site_key

    site_key = make_site_key(args.out)
    print(f"site key     {args.out}  (copy to every lane of this site, keep no other copy)")
    print(f"key id       {site_key.key_id}  (records name the key by it)")
    print("             Destroying the key ends the link from every record to a person.")
    print("站点密钥     复制到本校(村)每条通道；销毁后，记录与个人不再关联。")
    return int(ExitCode.OK)
