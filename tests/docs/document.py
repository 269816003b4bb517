"""Runs one document: every block that it shows, in order. README.md beside this file is the convention."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from session import SHOWN_PORT, Session, SessionError
from transcript import blocks, commands, matches

SERVER_COMMAND = re.compile(r"^(?:\./dev serve\b|flint\b.*\bserver start\b(?!.* --detach\b))")
NOT_RUN = re.compile(r"^(?:\./dev\b|git clone\b)")
TALKS_TO_SERVER = re.compile(rf"(?:127\.0\.0\.1|localhost):{SHOWN_PORT}|--server\b")


def check(path, flint, include=None):
    """(how many blocks ran, what was wrong with them: one text per problem)."""
    ran, problems = 0, []
    path = Path(path)
    try:
        found = blocks(path.read_text(encoding="utf-8"))
        with Session(flint) as session:
            for block in found:
                if block.skip:
                    continue
                if block.language in ("console", "sh"):
                    ran += 1
                    problems += [f"{path}:{line}: {text}" for line, text in _run_block(session, block)]
                elif block.language in ("cpp", "c++") and include and any("int main(" in line for line in block.lines):
                    ran += 1
                    problems += [f"{path}:{block.line}: {text}" for text in _compile("\n".join(block.lines), include)]
            session.stop_server()
    except (SessionError, ValueError) as error:
        problems.append(f"{path}: {error}")
    return ran, problems


def _run_block(session, block):
    for command in commands(block):
        if SERVER_COMMAND.match(command.text):
            session.start_server(command.text)
            continue
        if NOT_RUN.match(command.text):
            continue
        if session.server is None and TALKS_TO_SERVER.search(command.text):
            session.start_server("./dev serve")
        status, printed = session.run(command.text)
        if command.shown is None:
            if status != 0:
                yield command.line, f"exit status {status}: {command.text}\n" + "\n".join(printed)
        elif not matches(command.shown, printed, block.numbers_vary):
            yield command.line, "\n".join([f"$ {command.text}", "--- shown", *command.shown, "--- real", *printed])


def _compile(source, include):
    with tempfile.TemporaryDirectory(prefix="flint-docs-") as folder:
        file = Path(folder) / "shown.cc"
        file.write_text(source + "\n")
        done = subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-Wall", "-Wextra", "-fsyntax-only",
                               f"-I{include}", str(file)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield done.stderr
