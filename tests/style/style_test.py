"""The rules of style that matter, as tests.

Run with the names of test classes (Layers Files Versions Documents Tests), or with none for all.
"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("FLINT_ROOT", Path(__file__).resolve().parents[2]))

# Each layer and those whose headers it may include, besides its own and include/flint.
LAYERS = {
    "base": set(),
    "io": {"base"},
    "algorithm": {"base"},
    "storage": {"base", "io"},
    "limiter": {"base", "io", "algorithm", "storage"},
    "client": {"base"},
    "c_api": {"base", "limiter", "client"},
    "backend": {"base", "limiter"},
    "api": {"base", "backend"},
    "net": {"base"},
    "http": {"base", "backend", "api"},
    "server": {"base", "backend", "api", "net", "http", "config"},
    "original": {"base", "io", "algorithm", "limiter", "api"},
    "config": {"base", "api"},
    "cli": {"base", "client", "backend", "api", "server", "original", "config"},
    # For tests, fuzzing and benchmarks: no program and no library has any of it.
    "testing": {"base", "io", "algorithm", "storage", "limiter", "backend", "api", "original", "net", "http",
                "server"},
}

MAX_LINES = 500
MAX_COLUMNS = 120


def project_files():
    """Paths, relative to the root, of what git has or would add; without git, of everything but build products."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout.decode().split("\0")
        names = [name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        skipped = {".git", "build", ".venv", ".flint"}
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if not skipped & set(path.relative_to(ROOT).parts)]
    return sorted(Path(name) for name in names if (ROOT / name).is_file())


FILES = project_files()
CXX = [path for path in FILES if path.suffix in (".h", ".cc")]
PYTHON = [path for path in FILES if path.parts[:2] == ("python", "flint_limiter") and path.suffix == ".py"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def is_script(path):
    """Whether it is a program whose name has no ending that says so: its first line does."""
    with (ROOT / path).open("rb") as file:
        return file.read(2) == b"#!"


SOURCES = [path for path in FILES if path.suffix in (".h", ".cc", ".py", ".cmake", ".sh") or is_script(path)]


def circles(graph):
    """The groups of nodes of `graph`, a dict of sets, that reach each other: each group sorted."""
    reached = {}
    for start in graph:
        seen, pending = set(), [start]
        while pending:
            for node in graph.get(pending.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    pending.append(node)
        reached[start] = seen
    return sorted({tuple(sorted({node} | {other for other in reached[node] if node in reached.get(other, ())}))
                   for node in graph if node in reached[node]})


def includes(path):
    """(line number, header, whether in quotes) of each include of a file."""
    for number, line in enumerate(text_of(path).splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


class StyleTest(unittest.TestCase):
    def assert_none(self, problems):
        if problems:
            self.fail("\n" + "\n".join(problems))


class Layers(StyleTest):
    def test_a_layer_includes_only_itself_and_lower_layers(self):
        problems = []
        for path in CXX:
            if path.parts[0] != "src":
                continue
            layer = path.parts[1]
            self.assertIn(layer, LAYERS, f"{path}: the layer '{layer}' is not in the table of this test")
            for number, header, _ in includes(path):
                other = header.split("/")[0]
                allowed = LAYERS[layer] | {layer} | ({"testing"} if path.stem.endswith("_test") else set())
                if "/" in header and other in LAYERS and other not in allowed:
                    problems.append(f"{path}:{number}: '{layer}' may not include '{header}'")
        self.assert_none(problems)

    def test_no_circle_of_includes_inside_a_folder(self):
        """A room is a header and the source of the same name; what only tests include does not count."""
        rooms = {}
        for path in CXX:
            if path.parts[0] != "src" or path.stem.endswith("_test"):
                continue
            room = rooms.setdefault(str(path.with_suffix("").relative_to("src")), set())
            room.update(header.removesuffix(".h") for _, header, quoted in includes(path) if quoted)
        for room, others in rooms.items():
            others.discard(room)
        self.assert_none(["a circle of includes: " + ", ".join(circle) for circle in circles(rooms)])

    def test_no_circle_of_imports_in_the_python_package(self):
        """Imports for type checkers count: a reader follows them, too."""
        modules = {}
        for path in PYTHON:
            modules[path.stem] = set(re.findall(r"^\s*from flint_limiter\.(\w+) import", text_of(path), re.MULTILINE))
            for names in re.findall(r"^\s*from flint_limiter import (.+)$", text_of(path), re.MULTILINE):
                modules[path.stem].update(re.findall(r"\b_\w+", names))
        self.assert_none(["a circle of imports: " + ", ".join(circle) for circle in circles(modules)])

    def test_no_python_module_uses_what_is_private_to_another(self):
        own = re.compile(r"\bdef (_\w+)|(?<!\.)\b(?:self|cls)\.(_\w+)|^\s*(_\w+)\s*[:=]|\"(_\w+)\"", re.MULTILINE)
        private = re.compile(r"(?<!flint_limiter)\.(_[a-z]\w*)")
        problems = []
        for path in PYTHON:
            names = {name for found in own.findall(text_of(path)) for name in found}
            problems += [f"{path}:{number}: {name} is private to another module: give it a name without '_'"
                         for number, line in enumerate(text_of(path).splitlines(), 1)
                         for name in private.findall(line) if name not in names]
        self.assert_none(problems)

    def test_own_headers_are_named_from_the_root_of_the_sources(self):
        problems = []
        for path in CXX:
            # Programs beside the sources (bench, python) keep their own headers beside their files.
            places = ["src", "include"] if path.parts[0] in ("src", "include") else ["src", "include", ".", path.parent]
            for number, header, quoted in includes(path):
                if quoted and not any((ROOT / place / header).is_file() for place in places):
                    problems.append(f"{path}:{number}: \"{header}\" is no file of src/ or include/")
                # The examples show what a program of another project writes.
                own = "/" in header and header.split("/")[0] in LAYERS.keys() | {"flint"}
                if not quoted and own and path.parts[0] != "examples":
                    problems.append(f"{path}:{number}: own headers are included in quotes: <{header}>")
        self.assert_none(problems)

    def test_the_public_headers_need_nothing_but_the_standard_library(self):
        problems = []
        for path in CXX:
            if path.parts[:2] != ("include", "flint"):
                continue
            for number, header, quoted in includes(path):
                standard = not quoted and re.fullmatch(r"[a-z_]+", header)
                if not standard and not header.startswith("flint/"):
                    problems.append(f"{path}:{number}: a public header may not include '{header}'")
        self.assert_none(problems)

    def test_cmake_links_the_layers_as_the_table_says(self):
        problems = []
        for layer, allowed in LAYERS.items():
            path = Path("src") / layer / "CMakeLists.txt"
            declared = re.search(r"^\s*DEPENDS\s+([a-z\s]+?)\s*(?:[A-Z_]{2,}|\))", text_of(path), re.MULTILINE)
            for other in declared.group(1).split() if declared else []:
                if other not in allowed:
                    problems.append(f"{path}: '{layer}' may not depend on '{other}'")
        self.assert_none(problems)


class Files(StyleTest):
    def test_files_are_short(self):
        problems = []
        for path in SOURCES:
            lines = len(text_of(path).splitlines())
            if lines > MAX_LINES:
                problems.append(f"{path}: {lines} lines; split it, {MAX_LINES} is the most")
        self.assert_none(problems)

    def test_lines_are_clean(self):
        problems = []
        for path in SOURCES:
            text = text_of(path)
            if text and not text.endswith("\n"):
                problems.append(f"{path}: no newline at the end")
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > MAX_COLUMNS:
                    problems.append(f"{path}:{number}: {len(line)} columns; {MAX_COLUMNS} is the most")
                if line != line.rstrip() or "\t" in line:
                    problems.append(f"{path}:{number}: a tab, or white space at the end")
        self.assert_none(problems)

    def test_headers_are_included_once(self):
        self.assert_none([f"{path}: no '#pragma once'" for path in CXX
                          if path.suffix == ".h" and "#pragma once\n" not in text_of(path)])

    def test_nothing_is_left_for_later(self):
        later = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
        self.assert_none([f"{path}:{number}: {line.strip()}"
                          for path in FILES if path in SOURCES or path.suffix in (".md", ".txt")
                          for number, line in enumerate(text_of(path).splitlines(), 1) if later.search(line)])

    def test_nothing_names_a_path_of_one_machine(self):
        private = re.compile(r"(?<![\w.])/(?:home/\w|root/|work/|Users/\w|tmp/\w)")
        self.assert_none([f"{path}:{number}: {line.strip()}"
                          for path in FILES if path in SOURCES or path.suffix in (".md", ".txt", ".json", "")
                          for number, line in enumerate(text_of(path).splitlines(), 1) if private.search(line)])


class Versions(StyleTest):
    def test_all_places_name_the_same_version(self):
        places = {
            "CMakeLists.txt": r"^project\([^)]*?VERSION (\d+\.\d+\.\d+)",
            "CHANGELOG.md": r"^## \[(\d+\.\d+\.\d+)\]",
            "docs/openapi.yaml": r"^  version: (\d+\.\d+\.\d+)$",
            "pyproject.toml": r'^version = "(\d+\.\d+\.\d+)"',
            "python/pyproject.toml": r'^version = "(\d+\.\d+\.\d+)"',
        }
        found = {}
        for path, pattern in places.items():
            if (ROOT / path).is_file():
                match = re.search(pattern, text_of(path), re.MULTILINE)
                if match:
                    found[path] = match.group(1)
        self.assertIn("CMakeLists.txt", found)
        self.assertIn("CHANGELOG.md", found)
        self.assertEqual(1, len(set(found.values())), found)


class Documents(StyleTest):
    DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
    # A path in backquotes counts as one of the project's when it starts with a folder or file at its root.
    QUOTED = re.compile(r"`([\w.*{}<>/-]+)`")

    def test_paths_exist(self):
        top = {path.parts[0] for path in FILES if len(path.parts) > 1}
        problems = []
        for path in self.DOCUMENTS:
            for number, line in enumerate(text_of(path).splitlines(), 1):
                for name in self.QUOTED.findall(line):
                    if name.split("/")[0] not in top or "/" not in name or re.search(r"[*{}<>]", name):
                        continue
                    if not (ROOT / name).exists():
                        problems.append(f"{path}:{number}: there is no {name}")
                for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                    if "://" not in target and not (ROOT / path.parent / target).exists():
                        problems.append(f"{path}:{number}: the link to {target} leads nowhere")
        self.assert_none(problems)

    def test_each_folder_is_in_the_map(self):
        """A sentence in ARCHITECTURE.md for each folder at the root and each layer of src/."""
        text = text_of("ARCHITECTURE.md")
        folders = {path.parts[0] for path in FILES if len(path.parts) > 1 and not path.parts[0].startswith(".")}
        folders |= {f"src/{path.parts[1]}" for path in FILES if path.parts[0] == "src" and len(path.parts) > 2}
        self.assert_none([f"ARCHITECTURE.md: nothing says what {folder}/ holds" for folder in sorted(folders - {"src"})
                          if f"`{folder}/" not in text])

    def test_dev_subcommands_exist(self):
        dispatch = re.search(r"^case \$subcommand in\n(.*?)^esac", text_of("dev"), re.DOTALL | re.MULTILINE).group(1)
        known = set(re.search(r"^\s*([a-z |]+)\)$", dispatch, re.MULTILINE).group(1).split(" | ")) | {"help"}
        self.assertIn("test", known)
        self.assert_none([f"{path}:{number}: there is no ./dev {name}"
                          for path in self.DOCUMENTS
                          for number, line in enumerate(text_of(path).splitlines(), 1)
                          for name in re.findall(r"\./dev ([a-z]+)", line) if name not in known])


class Tests(StyleTest):
    def test_every_test_is_registered(self):
        problems = []
        for path in CXX:
            if not path.name.endswith("_test.cc"):
                continue
            lists = [folder / "CMakeLists.txt" for folder in path.parents]
            lists = [name for name in lists if (ROOT / name).is_file()]
            if not any(re.search(rf"(?<![\w-]){re.escape(path.name)}\b", text_of(name)) for name in lists):
                problems.append(f"{path}: in no CMakeLists.txt, so it never runs")
        self.assert_none(problems)

    def test_each_planted_bug_can_be_planted(self):
        """A patch of tests/planted that does not apply any more proves nothing, and nobody notices until it is run."""
        problems = []
        for path in FILES:
            if path.parts[:2] != ("tests", "planted") or path.suffix != ".patch":
                continue
            done = subprocess.run(["git", "apply", "--check", str(ROOT / path)], cwd=ROOT, capture_output=True,
                                  text=True, check=False)
            if done.returncode != 0:
                problems.append(f"{path}: {done.stderr.strip()}")
        self.assert_none(problems)

    def test_no_test_sleeps_without_saying_why(self):
        sleeps = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\(|(?<![\w:.>])sleep\(")
        self.assert_none([f"{path}:{number}: wait for a condition, or say why in a comment: {line.strip()}"
                          for path in CXX if path.name.endswith("_test.cc")
                          for number, line in enumerate(text_of(path).splitlines(), 1)
                          if sleeps.search(line) and "//" not in line])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]], verbosity=2)
