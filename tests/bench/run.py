"""Run benchmarks: ``python tests/bench/run.py [NAME ...] [--repeat N]``.

A benchmark is a module ``bench_NAME.py`` in this folder with ``run(repeat) -> list[Result]``. It
measures us and the peer in one run, in turn. The table is printed and written to
``build/results/bench.json``. Exit code 3 says that a figure is MISSING.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from measure import Result

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def names() -> list[str]:
    """Return the benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def figure(value: float | None, unit: str = "") -> str:
    """Return a number for the table."""
    return "-" if value is None else f"{value:,.4g} {unit}".strip()


def show(results: list[Result]) -> None:
    """Print the table."""
    rows = [("benchmark", "ours", "peer", "", "ratio", "goal", "")]
    for one in results:
        verdict = "MISSING" if one.missing else ""
        if one.ratio is not None and one.goal is not None:
            verdict = "reached" if one.ratio >= one.goal else "BELOW GOAL"
        rows.append(
            (
                one.name,
                figure(one.ours, one.unit),
                figure(one.peer, one.unit),
                one.peer_name,
                figure(one.ratio),
                figure(one.goal),
                verdict,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for one in results:
        if one.missing:
            print(f"MISSING {one.name}: {one.missing}")


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=40"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    """Run what was asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, 5 at the least")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names()))
    if unknown or options.repeat < 1:
        parser.error(f"no benchmark named {', '.join(unknown)}" if unknown else "repeat at least 1")
    results: list[Result] = []
    for name in options.names or names():
        print(f"running {name} ...", file=sys.stderr, flush=True)
        results += importlib.import_module(f"bench_{name}").run(options.repeat)
    show(results)
    target = ROOT / "build" / "results" / "bench.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "commit": commit(),
        "command": [Path(sys.executable).name, *sys.argv],
        "machine": f"{platform.platform()}, Python {platform.python_version()}",
        "repeat": options.repeat,
        "results": [asdict(one) for one in results],
    }
    target.write_text(json.dumps(document, indent=1) + "\n")
    return 3 if any(one.missing for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
