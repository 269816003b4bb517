"""What a check answers.

The extension has the class, made in a fraction of the time; without it, _python_result.py has. Whichever is there is
flint.CheckResult, in either mode, and pickles of one are read by the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint_limiter._result_methods import FailedCheck, ResultMethods

if TYPE_CHECKING:
    from flint_limiter._python_result import PythonCheckResult as CheckResult
else:
    try:
        from flint_limiter._native import CheckResult

        for _name in ("degraded", "error", "as_dict", "keys", "__getitem__", "__get_pydantic_core_schema__"):
            setattr(CheckResult, _name, ResultMethods.__dict__[_name])
    except ImportError:
        from flint_limiter._python_result import PythonCheckResult as CheckResult

__all__ = ["CheckResult", "FailedCheck"]
