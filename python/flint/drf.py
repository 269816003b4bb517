"""For type checkers and editors: see __init__.py."""

from flint_limiter.drf import *
