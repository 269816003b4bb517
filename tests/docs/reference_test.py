"""What the documents list is what the program has, and all of it: options, variables, metrics and events of the log."""

import os
import re
import sys
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
sys.path.append(str(ROOT / "tests/cli"))
from harness import FlintTest, Server, flint  # noqa: E402

DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


def help_of(*words):
    return flint(*words, "--help").out


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def section(document, heading):
    """From the heading to the next one."""
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", DOCS[document], re.MULTILINE | re.DOTALL).group(1)


def first_column(text):
    """The code words in the first cells of a table's rows."""
    return [word for cell in re.findall(r"^\|([^|]*)\|", text, re.MULTILINE) for word in re.findall(r"`([^`]+)`", cell)]


class CommandTest(FlintTest):
    def setUp(self):
        super().setUp()
        listed = re.search(r"^Commands:\n(.*?)\n\n", help_of(), re.MULTILINE | re.DOTALL).group(1)
        self.commands = [line[2:].split("  ")[0] for line in listed.splitlines()]

    def test_each_command_is_described_with_its_options_and_no_other(self):
        everywhere = set(re.findall(r"^  (--[\w-]+)", help_of(), re.MULTILINE))
        listed = [re.sub(r" (KEY|ITEM|DIR|FILE|ID|--file).*", "", words)
                  for words in first_column(DOCS["cli.md"].split("\n## ")[0])]
        self.assertEqual(self.commands, listed)
        for command in self.commands:
            with self.subTest(command=command):
                own = set(re.findall(r"^  (--[\w-]+)", help_of(*command.split()), re.MULTILINE)) - everywhere
                usage = re.findall(r"^```\n(flint .*?)^```", section("cli.md", command), re.MULTILINE | re.DOTALL)
                self.assertEqual(own, options_in("".join(usage)) - everywhere)
        described = options_in(section("cli.md", "Choose the limits"))
        self.assertEqual(everywhere - {"--help", "--version"}, described - {"--name"})

    def test_no_document_names_an_option_that_is_none(self):
        known = {option for command in self.commands for option in options_in(help_of(*command.split()))}
        for name, text in DOCS.items():
            used = {option for line in re.findall(r"(?<![/\w])flint (?:--|limit |log |doctor|server )[^`|\n;&]*", text)
                    for option in options_in(line)}
            self.assertEqual(set(), used - known, name)

    def test_variables(self):
        told = set(re.findall(r"\b(?:FLINT_[A-Z_]+|NO_COLOR)", help_of()))
        described = section("cli.md", "Choose the limits")
        self.assertEqual(told, set(re.findall(r"`(FLINT_[A-Z_]+|NO_COLOR)`", described)))

    def test_exit_codes(self):
        told = re.findall(r"^  (\d)  ", help_of(), re.MULTILINE)
        self.assertEqual(told, re.findall(r"^\| (\d) \|", section("cli.md", "Exit codes"), re.MULTILINE))


class MetricsTest(FlintTest):
    def test_metrics_with_their_types_and_labels(self):
        self.ok(self.local("limit", "add", "p:*", "1/h"))
        with Server(self.data_dir, "--metrics-top-denied", "1") as server:
            for _ in range(2):
                flint("--server", server.url, "limit", "check", "p:1")
            with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
                text = answer.read().decode()
        types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
        labels = {name: {",".join(re.findall(r"(\w+)=\"", given)) for given in
                         re.findall(rf"^{name}{{(.*)}} ", text, re.MULTILINE)} for name in types}
        table = section("http_api.md", "Monitoring")
        rows = re.findall(r"^\| (`\w.*?) \| (counter|gauge|histogram) \|", table, re.MULTILINE)
        documented = [(name, label, kind) for names, kind in rows
                      for name, label in re.findall(r"`(\w+)(?:{([\w,]+)})?`", names)]
        self.assertEqual(types, {name: kind for name, _, kind in documented})
        for name, label, _ in documented:
            self.assertEqual(labels[name], {label} if label else set(), name)
        for name in re.findall(r"`(flint_\w+|process_\w+)", DOCS["operations.md"]):
            self.assertIn(name, types)


class LogTest(unittest.TestCase):
    def test_events(self):
        sources = "".join(path.read_text() for layer in ("net", "server")
                          for path in (ROOT / "src" / layer).glob("*.cc") if "_test" not in path.name)
        logs = r'\b(?:log_?\.(?:info|warning|error)|\w+_)\((?:log, )?"([a-z]+(?:_[a-z]+)*)",'
        logged = set(re.findall(logs, sources))
        self.assertIn("listening", logged)
        listed = re.search(r"`event` is one of (.*?)\. ", DOCS["cli.md"], re.DOTALL).group(1)
        self.assertEqual(logged, set(re.findall(r"`(\w+)`", listed)))
        table = section("operations.md", "Monitor").split("| `event` |")[1]
        self.assertEqual(logged, set(first_column(table)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
