"""The systems of Table 1, one module each, named after its first author and year.

A module holds ``ABOUT`` (a `table1.System`), ``SIZES`` (sizes and steps by budget) and
``run(seed, *, arm, budget, device)``, which trains and evaluates one arm and returns a `table1.Outcome`.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """List the systems that are there, in the order of their names."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> ModuleType:
    """Return the module of a system. Errors: ValueError for a name that is not there, with those that are."""
    if name not in names():
        raise ValueError(f"expected a system of {', '.join(names())}, got {name!r}")
    return importlib.import_module(f"avcl_teach.systems.{name}")
