"""`flint` is another name of the package `flint_limiter`: `import flint` gives the same module, and `flint.fastapi` is
`flint_limiter.fastapi`.

The real package has a name of its own because PyPI's python-flint also installs a package `flint`: whichever of the two
is installed last has that name, and `import flint_limiter` works in either case.

The other files of this folder never run while this one is installed: type checkers and editors read them.
"""

import importlib.machinery as _machinery
import importlib.util as _util
import sys as _sys
import types as _types
from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import flint_limiter as _flint_limiter

if _TYPE_CHECKING:
    from flint_limiter import *
    from flint_limiter import __all__ as __all__
    from flint_limiter import __version__ as __version__

_ALIAS = "flint."
_REAL = "flint_limiter."

# Neither class derives from one of importlib.abc, which takes longer to import than all of this package.


class _Finder:
    """Finds `flint.X` where `flint_limiter.X` is, which otherwise would be loaded a second time, with other classes."""

    def find_spec(
        self, fullname: str, path: object = None, target: _types.ModuleType | None = None
    ) -> _machinery.ModuleSpec | None:
        if not fullname.startswith(_ALIAS):
            return None
        real = _util.find_spec(_REAL + fullname.removeprefix(_ALIAS))
        if real is None:
            return None
        loader: _Any = _Loader()
        return _machinery.ModuleSpec(fullname, loader, origin=real.origin)


class _Loader:
    def create_module(self, spec: _machinery.ModuleSpec) -> _types.ModuleType | None:
        return None  # a usual one

    def exec_module(self, module: _types.ModuleType) -> None:
        # The import system gives the importer what is in sys.modules when this returns.
        name = module.__name__
        _sys.modules[name] = _import_module(_REAL + name.removeprefix(_ALIAS))

    def get_code(self, fullname: str) -> _types.CodeType | None:
        """For `python -m`."""
        real = _REAL + fullname.removeprefix(_ALIAS)
        spec = _util.find_spec(real)
        loader = spec.loader if spec else None
        get_code = getattr(loader, "get_code", None)
        code: _types.CodeType | None = get_code(real) if get_code else None
        return code


# Before the finder of files, which would find the files of `flint_limiter` under this name.
_sys.meta_path.insert(0, _Finder())
_sys.modules[__name__] = _flint_limiter
