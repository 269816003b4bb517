"""`flint` is `flint_limiter` by another name, and the latter works whatever else is installed as `flint`."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import flint
import flint_limiter

PUBLIC = ("django", "drf", "fastapi", "flask", "prometheus", "testing", "wsgi")


def run(program: str, *, path: Path | None = None) -> str:
    """What `program` prints in a Python of its own, which looks for modules in `path` first."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_both_names_are_one_package() -> None:
    assert flint is flint_limiter
    assert flint.__version__ == flint_limiter.__version__


@pytest.mark.parametrize("name", [*PUBLIC, "_errors", "_native"])
def test_a_module_is_loaded_once_under_both_names(name: str) -> None:
    """`except flint.RateLimitExceeded` misses nothing because a module was loaded a second time."""
    for first, second in (("flint", "flint_limiter"), ("flint_limiter", "flint")):
        run(
            f"""
            import importlib
            one = importlib.import_module("{first}.{name}")
            other = importlib.import_module("{second}.{name}")
            import flint, flint_limiter
            assert one is other is flint.{name} is flint_limiter.{name}
            assert one.__name__ == one.__spec__.name == "flint_limiter.{name}"
            """
        )


def test_every_public_module_has_a_file_for_type_checkers() -> None:
    real, alias = (Path(__file__).parents[1] / name for name in ("flint_limiter", "flint"))
    public = {file.name for file in real.glob("*.py") if not file.name.startswith("_")}
    assert {file.name for file in alias.iterdir() if file.is_file()} == public | {"__init__.py", "py.typed"}
    assert public == {f"{name}.py" for name in PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_seen_by_type_checkers(name: str) -> None:
    """Type checkers see of `from flint_limiter.X import *` what __all__ lists."""
    module = importlib.import_module(f"flint.{name}")
    assert module.__all__
    assert not [one for one in module.__all__ if not hasattr(module, one)]


def test_python_m_runs_either_name() -> None:
    for name in ("flint", "flint_limiter"):
        done = subprocess.run([sys.executable, "-m", f"{name}.wsgi"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_pickles_of_either_name_are_read() -> None:
    """0.1.0 pickled results and exceptions as those of `flint` and `flint._errors`."""
    assert pickle.loads(b"cflint\nCheckResult\n.") is flint.CheckResult
    assert pickle.loads(b"cflint._errors\nDataDirLocked\n.") is flint_limiter.DataDirLocked
    assert b"flint_limiter" in pickle.dumps(flint.CheckResult)


def test_the_alias_loads_nothing_that_is_not_asked_for() -> None:
    said = run("import flint, sys; print(*sys.modules)").split()
    frameworks = {"starlette", "flask", "django", "rest_framework"}
    assert not {*frameworks, "importlib.metadata", "flint_limiter.prometheus", "flint_limiter._limiter"} & set(said)


def test_what_is_no_module_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'flint\.nmod_poly'"):
        importlib.import_module("flint.nmod_poly")


def test_another_package_of_the_name_flint_harms_nothing(tmp_path: Path) -> None:
    """python-flint, installed later, replaces flint/__init__.py: `import flint_limiter` failed."""
    (tmp_path / "flint").mkdir()
    (tmp_path / "flint" / "__init__.py").write_text("fmpz = int\n")
    said = run(
        """
        import flint, flint_limiter, flint_limiter.fastapi, flint_limiter.wsgi
        from flint_limiter.testing import MemoryLimiter
        with MemoryLimiter() as limiter:
            limiter.limit("k", rate=1, per="1d")
            print(limiter.check("k").allowed, limiter.check("k").allowed)
        try:
            limiter.check("k")
        except flint_limiter.StorageError:
            print(flint.fmpz(3))
        """,
        path=tmp_path,
    )
    assert said.split() == ["True", "False", "3"]
