"""Every command that README.md and docs/ show does what they show: docs_test.py FLINT [DOCUMENT...]."""

import os
import sys
from pathlib import Path

from document import check

ROOT = Path(os.environ.get("FLINT_ROOT", Path(__file__).resolve().parents[2]))


def main():
    flint = Path(sys.argv[1])
    documents = [Path(name) for name in sys.argv[2:]] or [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    failed = 0
    for path in documents:
        ran, problems = check(path, flint, include=ROOT / "include")
        failed += len(problems)
        print(f"{'FAIL' if problems else 'ok'}: {path.name}: {ran} blocks, {len(problems)} problems")
        for problem in problems:
            print(f"\n{problem}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
