"""What a document shows: its blocks, their commands, and whether shown output matches real output."""

import re
import subprocess
from dataclasses import dataclass, field

FENCE = re.compile(r"^(?P<indent>\s*)```+\s*(?P<language>[\w+-]*)\s*$")
DIRECTIVE = re.compile(r"^\s*<!--\s*test:\s*(?P<what>.*?)\s*-->\s*$")


@dataclass
class Block:
    line: int
    language: str
    lines: list = field(default_factory=list)
    numbers_vary: bool = False
    skip: str = ""


@dataclass
class Command:
    line: int
    text: str
    shown: list = None  # None: the document shows no output, so none is compared.


def blocks(text):
    """The fenced blocks of a document in Markdown."""
    block, directive, found = None, "", []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if block is None and fence:
            block, indent = Block(number, fence["language"]), len(fence["indent"])
            if directive == "numbers vary":
                block.numbers_vary = True
            elif directive.startswith("skip,"):
                block.skip = directive.removeprefix("skip,").strip()
            elif directive:
                raise ValueError(f"line {number - 1}: unknown directive '{directive}'")
        elif block is not None and fence and not fence["language"]:
            found.append(block)
            block = None
        elif block is not None:
            block.lines.append(line[indent:] if not line[:indent].strip() else line)
        if line.strip():
            comment = DIRECTIVE.match(line)
            directive = comment["what"] if comment and block is None else ""
    if block is not None:
        raise ValueError(f"line {block.line}: the block has no end")
    return found


def is_complete(command):
    """Whether a shell would run this, rather than wait for another line."""
    if command.endswith("\\"):
        return False
    checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
    return checked.returncode == 0 and not checked.stderr


def _join(lines, start):
    """The command that starts at lines[start], and the index after its last line."""
    text, end = lines[start], start + 1
    while not is_complete(text) and end < len(lines):
        text, end = text + "\n" + lines[end].removeprefix("> "), end + 1
    return text, end


def commands(block):
    found, index = [], 0
    if block.language == "sh":
        while index < len(block.lines):
            text, end = _join(block.lines, index)
            if text.strip() and not text.lstrip().startswith("#"):
                found.append(Command(block.line + 1 + index, text))
            index = end
        return found

    while index < len(block.lines):
        line = block.lines[index]
        if not line.startswith("$ "):
            if found:
                found[-1].shown = (found[-1].shown or []) + [line]
            elif line.strip():
                raise ValueError(f"line {block.line + 1 + index}: output before the first '$ ' of the block")
            index += 1
            continue
        text, end = _join([line.removeprefix("$ "), *block.lines[index + 1:]], 0)
        found.append(Command(block.line + 1 + index, text))
        index += end
    for command in found:
        while command.shown and not command.shown[-1].strip():
            command.shown.pop()
        command.shown = command.shown or None
    return found


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
NUMBER = r"\d+(?:\.\d+)?"
# What varies in a shown line, and how its value is matched. The first that fits wins.
VARIABLE = re.compile(
    rf'(?P<time>{TIME})'
    rf'|(?P<json>"(?:\w+_ms|\w+_bytes|\w+_at|pid)":\s*)(?P<value>null|"[^"]*"|{NUMBER})'
    rf'|(?P<any>\.\.\.)'
    rf'|(?P<number>{NUMBER})'
    rf'|(?P<space>\s+)')


def _pattern(line, numbers_vary):
    parts, end = [], 0
    for match in VARIABLE.finditer(line):
        parts.append(re.escape(line[end:match.start()]))
        end = match.end()
        if match["time"]:
            parts.append(TIME)
        elif match["json"]:
            value = match["value"]
            kind = '"[^"]*"' if value.startswith('"') else "null" if value == "null" else NUMBER
            parts.append(re.escape(match["json"].rstrip()) + r"\s*" + kind)
        elif match["any"]:
            parts.append(".*")
        elif match["number"]:
            parts.append(NUMBER if numbers_vary else re.escape(match["number"]))
        else:
            parts.append(r"\s+")
    parts.append(re.escape(line[end:]))
    return "".join(parts)


def matches(shown, real, numbers_vary=False):
    """Whether the lines that a command printed are what the document shows of it."""
    pattern = []
    for line in shown:
        if line.strip() == "...":
            pattern.append(r"(?:.*\n)*")
        else:
            pattern.append(_pattern(line.rstrip(), numbers_vary) + r"[ \t]*\n")
    return re.fullmatch("".join(pattern), "".join(line + "\n" for line in real)) is not None
