"""Names of a package that load their module when they are first used."""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy_names(
    package: str,
    home: Mapping[str, str],
    *,
    wrap: Callable[[object], object] = lambda value: value,
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`.

    `home[name]`: the submodule that holds the name, or "" where the name is a submodule itself · `wrap`: what
    becomes of a value before it is kept. Errors, on use: AttributeError for a name that is not in `home`.
    Source: PEP 562.
    """

    def load(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not home[name]:
            return importlib.import_module(f"{package}.{name}")
        value = wrap(getattr(importlib.import_module(f"{package}.{home[name]}"), name))
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return load, listed
