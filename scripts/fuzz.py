#!/usr/bin/env python3
"""Run the fuzz targets one after the other, each for a time, and say what got through.

    scripts/fuzz.py [--seconds S] [--target NAME …]    goes on from where the last run stopped
    scripts/fuzz.py --keep                             puts the telling inputs into fuzz/corpus

Everything lies in build/fuzz/NAME: the corpus found so far, ``progress.json`` with the sums of all
runs, ``escapes`` with one input and its story for each place that something came from. The exit
status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fuzz.keeping import keep_telling  # noqa: E402 the line above makes it importable
from fuzz.target import CORPUS, load, names  # noqa: E402
from fuzz.watching import escapes_in, executions_in  # noqa: E402

WORK = ROOT / "build" / "fuzz"
_NEVER_ENDS_S = 10
_MEMORY_MIB = 1_024
_NICE = 10
_GRACE_S = 60


@dataclass(frozen=True, slots=True)
class Progress:
    """What all runs of a target have come to."""

    executions: int = 0
    seconds: float = 0.0
    inputs: int = 0
    escapes: int = 0


def bring_fuzzer() -> None:
    """Install what pyproject.toml names in its group ``fuzz``, if it is not there."""
    if importlib.util.find_spec("atheris") is not None:
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted: list[str] = project["dependency-groups"]["fuzz"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, *wanted], check=False).returncode:
        raise SystemExit("the fuzzer cannot be installed: it is there for x86_64 only")


def progress_of(name: str) -> Progress:
    path = WORK / name / "progress.json"
    return Progress(**json.loads(path.read_text())) if path.exists() else Progress()


def run_target(name: str, seconds: float) -> Progress:
    """Return the progress after another ``seconds`` of fuzzing."""
    folder, before = WORK / name, progress_of(name)
    found, seeds = folder / "corpus", folder / "seeds"
    for place in (found, seeds):
        place.mkdir(parents=True, exist_ok=True)
    for seed in load(name).seeds():
        (seeds / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    sources = [str(found), str(seeds)]
    if (CORPUS / name).is_dir():
        sources.append(str(CORPUS / name))
    begun_s = time.monotonic()
    after = before
    while (left_s := seconds - (time.monotonic() - begun_s)) >= 1:
        with (folder / "log").open("wb") as log:
            subprocess.run(
                [
                    sys.executable, "-m", "fuzz", name, str(folder),
                    f"-max_total_time={int(left_s)}", f"-timeout={_NEVER_ENDS_S}",
                    f"-rss_limit_mb={_MEMORY_MIB}", f"-artifact_prefix={folder / 'escapes'}/",
                    *sources,
                ],
                cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False,
                timeout=left_s + _GRACE_S, preexec_fn=_step_back,
            )  # fmt: skip
        executions = executions_in(folder)
        after = Progress(
            executions=executions,
            seconds=round(before.seconds + time.monotonic() - begun_s, 1),
            inputs=len(list(found.iterdir())),
            escapes=len(escapes_in(folder / "escapes")),
        )
        (folder / "progress.json").write_text(json.dumps(asdict(after)) + "\n")
        if executions == before.executions:
            raise SystemExit(f"{name}: the fuzzer does not run; see {folder / 'log'}")
    return after


def _step_back() -> None:
    os.nice(_NICE)


def table(progress: dict[str, Progress]) -> str:
    """Return the table of all targets, and where the escapes lie."""
    lines = [
        f"{'target':<14}{'executions':>12}{'seconds':>9}{'a second':>10}{'inputs':>8}{'escapes':>9}"
    ]
    for name, at in progress.items():
        rate = at.executions / at.seconds if at.seconds else 0
        lines.append(
            f"{name:<14}{at.executions:>12,}{at.seconds:>9.0f}{rate:>10,.0f}"
            f"{at.inputs:>8}{at.escapes:>9}"
        )
    escapes = [str(path) for name in progress for path in escapes_in(WORK / name / "escapes")]
    return "\n".join([*lines, *sorted(escapes)])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (60)")
    parser.add_argument("--target", action="append", choices=names(), help="only this one")
    parser.add_argument("--keep", action="store_true", help="choose what fuzz/corpus keeps")
    args = parser.parse_args(argv)
    chosen = args.target or names()
    if args.keep:
        for name in chosen:
            print(f"{name}: {keep_telling(name, WORK / name / 'corpus')} inputs kept")
        return 0
    bring_fuzzer()
    progress = {}
    for name in chosen:
        print(f"{name}: {args.seconds:g} s", flush=True)
        progress[name] = run_target(name, args.seconds)
    print(table(progress))
    return 1 if any(at.escapes for at in progress.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
