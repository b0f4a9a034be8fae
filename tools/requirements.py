"""Print which rows of requirements.csv are proved by the results of the current commit.

Runs nothing. A row passes when for each check code of its column (or once, where the column holds
words) a test that names it passed, no test that names it failed or was skipped, and the peer that
the recipe needs was started by one of them. Exit code 3 where results are missing or stale.

Usage: python tools/requirements.py [--row S-001]
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIERS = ("test", "interop", "browser", "notebooks")
NEEDS_PEER = {"K1", "K2", "K3", "K5", "K8", "K10", "K13", "K14"}


@dataclass
class Evidence:
    """What the tests say of one row."""

    passed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    against: list[str] = field(default_factory=list)
    with_peer: set[str] = field(default_factory=set)


def current_commit() -> str:
    """Return the commit that is checked out, with ``+`` where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(
        [*git, "status", "--porcelain"], capture_output=True, text=True, check=False
    )
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def gather(commit: str) -> tuple[dict[str, Evidence], list[str]]:
    """Read the results of the tiers; return what they say by row, and what is missing."""
    rows: dict[str, Evidence] = defaultdict(Evidence)
    complaints = []
    for tier in TIERS:
        path = ROOT / "build" / "results" / f"{tier}.json"
        if not path.is_file():
            complaints.append(f"MISSING {tier}: run `make {tier}`")
            continue
        results = json.loads(path.read_text())
        if results["commit"] != commit:
            complaints.append(
                f"STALE   {tier}: of commit {results['commit'][:10]}, not {commit[:10]}"
            )
            continue
        for name, test in results["tests"].items():
            for row, check in test["rows"]:
                if test["outcome"] == "passed":
                    rows[row].passed[check or ""].append(name)
                    if test["peers"]:
                        rows[row].with_peer.add(check or "")
                else:
                    rows[row].against.append(f"{test['outcome']}: {name}")
    return rows, complaints


def is_proved(check: str, evidence: Evidence) -> bool:
    """Say whether the evidence meets the row's check column."""
    if evidence.against or not evidence.passed:
        return False
    codes = set(re.findall(r"\bK\d+\b", check))
    if not codes:
        return True
    return all(
        code in evidence.passed and (code not in NEEDS_PEER or code in evidence.with_peer)
        for code in codes
    )


def main() -> int:
    """Print the coverage by area, then the count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--row", help="print what the tests say of one row")
    arguments = parser.parse_args()
    with (ROOT / "requirements.csv").open(newline="", encoding="utf-8") as stream:
        register = list(csv.DictReader(stream))
    evidence, complaints = gather(current_commit())
    if arguments.row:
        said = evidence.get(arguments.row, Evidence())
        for code, names in said.passed.items():
            print(code or "passed", *names, sep="\n  ")
        print(*said.against, sep="\n")
    unknown = sorted(set(evidence) - {row["id"] for row in register})
    complaints += [f"UNKNOWN row {row} is named by a test" for row in unknown]
    areas: dict[str, list[bool]] = defaultdict(list)
    for row in register:
        areas[row["area"]].append(is_proved(row["check"], evidence.get(row["id"], Evidence())))
    for area, proved in areas.items():
        print(f"{area:24} {sum(proved):4} of {len(proved)}")
    print(*complaints, sep="\n") if complaints else None
    total = [proved for group in areas.values() for proved in group]
    print(f"rows passing: {sum(total)} of {len(total)}")
    return 3 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
