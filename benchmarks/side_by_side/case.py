"""One comparison: its contenders and what is wanted of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

Run = Callable[[], tuple]
SOME = {"seconds": 6.0, "least": 3, "most": 60, "burst": 5}
FEW = {"seconds": 8.0, "least": 2, "most": 8}
LONG = {"seconds": 1.0, "least": 2, "most": 2, "warm": False}


@dataclass(frozen=True)
class Case:
    """One comparison. `contenders(n)` maps names to functions that build a run of size n."""

    key: str
    title: str
    setting: str
    size: int
    contenders: Callable[[int], dict[str, Callable[[], Run]]]
    bounds: tuple[dict, ...] = ()
    reference: str | None = None  # results of the others are compared with this one's
    memory: tuple[str, ...] = ()
    turns: dict = field(default_factory=lambda: SOME)


def time_at_most(own: str, other: str, wanted: float, *, prototype: float | None = None) -> dict:
    """Wanted: the own time is at most so many times the other's."""
    return {"kind": "time", "own": own, "other": other, "at_most": wanted, "prototype": prototype}


def faster(own: str, other: str, wanted: float, *, prototype: float | None = None) -> dict:
    """Wanted: at least so many times as fast as the other."""
    return {"kind": "speed", "own": own, "other": other, "at_least": wanted, "prototype": prototype}


def memory_at_most(own: str, wanted: float, *, prototype: float | None = None) -> dict:
    """Wanted: at most so many megabytes at the peak."""
    return {"kind": "megabytes", "own": own, "at_most": wanted, "prototype": prototype}


def memory_share(own: str, other: str, wanted: float, *, prototype: float | None = None) -> dict:
    """Wanted: at most this share of the other's memory."""
    return {"kind": "memory share", "own": own, "other": other, "at_most": wanted, "prototype": prototype}


def agreement(own: str, other: str, wanted: float) -> dict:
    """Wanted: value and gradients differ by at most this share of their largest entry."""
    return {"kind": "difference", "own": own, "other": other, "at_most": wanted, "prototype": None}
