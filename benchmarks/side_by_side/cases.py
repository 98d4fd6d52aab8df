"""Every comparison there is, by its key. A case builds its own inputs."""

from benchmarks.side_by_side import encoder_cases, objective_cases, separation_cases
from benchmarks.side_by_side.case import (
    Case,
    agreement,
    faster,
    memory_at_most,
    memory_share,
    time_at_most,
)

__all__ = [
    "BY_KEY",
    "CASES",
    "FLOORS",
    "LESS_TO_DO",
    "PEERS",
    "Case",
    "agreement",
    "faster",
    "memory_at_most",
    "memory_share",
    "time_at_most",
]

CASES = (*objective_cases.CASES, *encoder_cases.CASES, *separation_cases.CASES)
BY_KEY = {case.key: case for case in CASES}
PEERS = (
    objective_cases.PML,
    objective_cases.SCALED_CLIP,
    "open_clip",
    "classic deep CCA",
    "cca-zoo",
    "torchmetrics",
    "argsort",
    "faiss",
    "torch.topk",
    *encoder_cases.PEERS,
    *separation_cases.PEERS,
)
FLOORS = (objective_cases.FLOOR, objective_cases.SCALED_FLOOR)  # less than the whole job
LESS_TO_DO = ("open_clip", "info_nce_of_unit_rows")  # rows of length 1 taken as they are: another gradient
