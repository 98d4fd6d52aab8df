"""What every system of Table 1 declares about itself, and what a run of it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MARKS = ("verified", "from memory", "reconstruction")


@dataclass(frozen=True)
class Claim:
    """Hold what the paper claims as two arms of the same system: ``better`` should score above ``worse``.

    ``text``: one sentence, as the paper (or its abstract) has it · ``better``, ``worse``: names of arms, see
    `System.arms` · ``metric``: "score", or a name in `Outcome.extra` (then higher is better).
    """

    text: str
    better: str
    worse: str
    metric: str = "score"


@dataclass(frozen=True)
class System:
    """Declare a row of Table 1: what it is, how it is measured, what its paper claims.

    ``paper``: authors and year · ``key``: its entry in the bibliography · ``task``, ``metric``, ``protocol``
    (one sentence: gallery, candidates, probe) · ``labels_used``, ``paired``: what a run may read ("none",
    "class labels"; "sound and picture of one clip") · ``survey_row``: the row as the survey prints it ·
    ``correction``: what is wrong with it, "" if nothing · ``chance``: the rule behind the chance level ·
    ``ceiling``: what the ceiling is · ``mark``: of `MARKS`, how far the construction is known ·
    ``kept``: what of the system had to stay · ``arms``: names of its forms, the faithful one first.
    """

    name: str
    paper: str
    key: str
    lesson: str
    task: str
    metric: str
    protocol: str
    chance: str
    ceiling: str
    labels_used: str
    paired: str
    survey_row: str
    correction: str
    kept: str
    claims: tuple[Claim, ...]
    arms: tuple[str, ...] = ("paper",)
    mark: str = "reconstruction"
    higher_is_better: bool = True
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        if self.mark not in MARKS:
            raise ValueError(f"expected a mark of {MARKS}, got {self.mark!r}")
        for claim in self.claims:
            for arm in (claim.better, claim.worse):
                if arm not in self.arms:
                    raise ValueError(f"expected an arm of {self.arms} in the claim, got {arm!r}")

    def check(self, arm: str, budget: str, sizes: Mapping[str, object]) -> None:
        """Refuse an arm or a budget that is not there. Errors: ValueError."""
        for what, got, there in (("an arm", arm, self.arms), ("a budget", budget, tuple(sizes))):
            if got not in there:
                raise ValueError(f"expected {what} of {there}, got {got!r}")


@dataclass(frozen=True)
class Outcome:
    """Hold the result of one run: the metric, and what it must be read against, all in the same unit.

    ``score`` · ``chance``: its level without knowledge · ``wrong_partner``: the same trained system, with the
    other modality shuffled at test · ``ceiling``: an oracle's score (NaN where there is none) · ``extra``:
    further figures by name.
    """

    score: float
    chance: float
    wrong_partner: float
    ceiling: float
    extra: dict[str, float] = field(default_factory=dict)
