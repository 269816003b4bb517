"""A check, a denial, a check_all, an HTTP request and replay take no more instructions than their budgets allow.

Time says little on a machine that others use; instructions are the same in every run, to a quarter of a percent.
"""

import platform
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import measure

WORKLOADS, FLINT = (Path(argument).resolve() for argument in sys.argv[1:3])
BUILD = sys.argv[3]
BUDGETS_OF = "GNU-12-RelWithDebInfo"
BUDGETS = Path(__file__).with_name("budgets.txt")
MARGIN = 1.02
GENEROUS = 0.95


def budgets():
    rows = (line.split() for line in BUDGETS.read_text().splitlines() if not line.startswith("#"))
    return {name: int(count) for name, count in rows}


def reason_to_skip():
    if BUILD != BUDGETS_OF or platform.machine() != "x86_64":
        return f"the budgets are those of {BUDGETS_OF} on x86_64, and this is {BUILD} on {platform.machine()}"
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    tried = subprocess.run(["valgrind", "--quiet", "--tool=none", FLINT, "--version"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    return f"valgrind does not run here: {tried.stderr.decode()}" if tried.returncode != 0 else None


class Budgets(unittest.TestCase):
    def test_every_workload_has_a_budget(self):
        self.assertEqual(set(measure.MANY), set(budgets()))

    def test_nothing_takes_more_instructions_than_its_budget(self):
        reason = reason_to_skip()
        if reason:
            self.skipTest(reason)
        over = []
        for name, budget in budgets().items():
            counted = measure.per_operation(WORKLOADS, FLINT, name)
            line = f"{name}: {counted:.0f} instructions, {counted / budget:.3f} of its budget of {budget}"
            print(line, "(lower the budget)" if counted < GENEROUS * budget else "", flush=True)
            if counted > MARGIN * budget:
                over.append(line)
        self.assertEqual([], over)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
