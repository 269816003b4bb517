"""What the wheel installs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

from support import flint_program

import flint
from flint_limiter import _native

ROOT = Path(__file__).parents[2]


def test_the_command_the_extension_and_the_package_are_of_one_version() -> None:
    said = subprocess.run([flint_program(), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["flint", flint.__version__]
    assert _native.VERSION == flint.__version__ == version("flint-limiter")


def test_the_command_works(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path) as limiter:
        limiter.limit("k", rate=1, per="1d")
    for code in (0, 1):
        command = [flint_program(), "--data-dir", str(tmp_path), "limit", "check", "k"]
        assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == code


def test_the_wheel_holds_the_package_the_extension_and_the_command() -> None:
    files = {str(file) for file in distribution("flint-limiter").files or ()}
    for package in ("flint", "flint_limiter"):
        assert {f"{package}/__init__.py", f"{package}/py.typed", f"{package}/testing.py"} <= files
    assert "flint_limiter/_native.pyi" in files
    assert any(file.startswith("flint_limiter/_native.") and file.endswith(".so") for file in files)
    assert any(Path(file).name == "flint" and "bin" in Path(file).parts for file in files)
    assert not any("tests" in Path(file).parts for file in files)


def test_all_that_is_promised_is_there() -> None:
    assert sorted(flint.__all__) == flint.__all__
    for name in flint.__all__:
        assert getattr(flint, name) is not None
        assert name in dir(flint)


def test_every_method_has_a_twin_for_asyncio_and_a_contract() -> None:
    public = {name for name in dir(flint.AbstractLimiter) if not name.startswith("_")}
    twins = {f"a{name}" for name in public} & public
    assert twins
    # It waits for nothing.
    without_twin = {"rate_limit"}
    assert public - twins - without_twin == {name.removeprefix("a") for name in twins}
    for kind in (flint.Limiter, flint.SharedLimiter):
        for name in public:
            assert getattr(flint.AbstractLimiter, name).__doc__, name
            assert callable(getattr(kind, name))


def test_the_annotations_are_complete() -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
