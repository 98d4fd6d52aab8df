"""How large a lesson runs: one table of sizes for each budget, and the call that starts a lesson.

Sizes are counts and steps, never seconds, so that a run gives the same numbers on a slow machine.
"""

import os
import random
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

import avcl_teach
from avcl_teach.task_sizes import TASK_SIZES

BUDGETS = ("quick", "cpu", "gpu")

# lesson -> name of a size -> its value in (quick, cpu, gpu). Lessons read them as attributes: lesson.n_train.
SIZES: dict[str, dict[str, tuple[Any, Any, Any]]] = {
    "00": {
        "n_train": (256, 2048, 8192),
        "n_val": (64, 256, 512),
        "n_test": (64, 256, 1024),
        "steps": (10, 180, 600),
        "batch_size": (32, 64, 128),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
        "n_few": (64, 256, 256),
        "few_steps": (8, 40, 60),
    },
    "01": {
        "n_sync": (16, 96, 256),
        "n_train": (64, 256, 1024),
        "n_test": (32, 128, 512),
        "film_s": (12.0, None, None),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "02": {
        "n_world": (160, 512, 1024),
        "n_world_test": (96, 128, 128),
        "seeds": ((0, 1, 2), (0, 1, 2), (0, 1, 2, 3, 4)),
        "n_cuts": (3, 6, 6),
    },
    "10": {
        "n_clips": (128, 512, 1024),
        "n_test_clips": (64, 128, 256),
        "n_rows": (128, 2048, 8192),
        "n_test_rows": (128, 512, 2048),
        "steps": (10, 300, 1000),
        "ask_steps": (10, 200, 600),
        "n_drawn": (50, 400, 1000),
        "widths": ((4, 64, 1024), (4, 16, 64, 256, 1024), (4, 16, 64, 256, 1024)),
        "lengths": ((4, 16), (4, 8, 16, 32, 64, 128), (4, 8, 16, 32, 64, 128, 256)),
        "n_keys": ((64, 128, 256), (128, 256, 512, 1024, 2048), (128, 256, 512, 1024, 2048, 4096)),
        "n_keys_additive": ((32, 64), (128, 256, 512), (128, 256, 512, 1024)),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "11": {
        "n_train": (128, 512, 2048),
        "n_test": (64, 128, 512),
        "n_scenes": (96, 384, 2048),
        "n_scenes_test": (32, 128, 512),
        "steps": (10, 120, 400),
        "map_steps": (10, 120, 400),
        "chunk_steps": (20, 120, 200),
        "batch_size": (16, 32, 64),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "12": {
        "n_train": (256, 1024, 8192),
        "n_test": (64, 256, 512),
        "n_segments": (96, 512, 2048),
        "order_steps": (3, 140, 600),
        "steps": (6, 200, 2000),
        "wave_steps": (2, 50, 1500),
        "pair_steps": (2, 20, 4000),
        "lengths": ((32, 64, 128, 256), (128, 256, 512, 1024, 2048), (256, 512, 1024, 2048, 4096, 8192)),
        "flip_lengths": ((8, 32, 128), (8, 16, 32, 64, 128, 256), (8, 32, 128, 512, 1024, 2048)),
        "batch_size": (32, 32, 128),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "13": {
        "n_train": (256, 1024, 4096),
        "n_test": (96, 256, 512),
        "steps": (10, 80, 400),
        "batch_size": (64, 128, 256),
        "n_glimpses": (128, 1024, 4096),
        "n_glimpses_test": (64, 128, 256),
        "glimpse_steps": (12, 120, 800),
        "latent_sizes": ((2, 16), (2, 8, 32), (2, 8, 32)),
        "fill_steps": (10, 100, 600),
        "n_permutations": (49, 199, 999),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "14": {
        "n_train": (192, 1024, 1024),
        "n_test": (64, 256, 256),
        "steps": (10, 120, 400),
        "long_steps": (20, 320, 1000),
        "beta_steps": (8, 80, 300),
        "label_steps": (6, 90, 300),
        "batch_size": (64, 64, 64),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
        "n_draws": (2000, 20000, 100000),
    },
    "15": {
        "rounds": (30, 250, 500),
        "film_rounds": (40, 260, 400),
        "check_every": (10, 20, 20),
        "n_train": (128, 1024, 2048),
        "n_test": (64, 256, 512),
        "steps": (6, 100, 300),
        "picture_rounds": (2, 30, 500),
        "n_glimpses": (64, 512, 2048),
        "n_seen": (64, 256, 512),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "16": {
        "n_train": (64, 1024, 4096),
        "n_test": (32, 256, 1024),
        "n_real": (8, 96, 512),
        "batch_size": (32, 64, 256),
        "gru_steps": ((4, 2), (320, 130), (1500, 500)),
        "window_steps": ((4, 2), (230, 90), (1500, 500)),
        "full_steps": ((4, 2), (120, 50), (800, 200)),
        "memory_steps": ((12, 6), (110, 50), (400, 200)),
        "queue_steps": (24, 24, 24),
        "delays": ((2, 8, 32), (2, 4, 8, 16, 32, 64), (2, 4, 8, 16, 32, 64)),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "20": {
        "n_train": (256, 1024, 2048),
        "n_test": (96, 256, 512),
        "steps": (12, 120, 300),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
        "film_steps": (12, 48, 60),
    },
    "21": {
        "steps": (12, 100, 200),
        "small_batch": (32, 32, 32),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "22": {
        "n_train": (256, 1024, 1024),
        "n_test": (96, 256, 256),
        "steps": (10, 100, 300),
        "batch_size": (32, 128, 256),
        "town_steps": (20, 200, 400),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "23": {
        "n_train": (256, 1024, 2048),
        "n_test": (96, 256, 512),
        "steps": (20, 150, 300),
        "arm_steps": (20, 100, 300),
        "batch_size": (64, 128, 128),
        "batches": ((16, 64), (8, 32, 128), (8, 32, 128)),
        "film_steps": (12, 40, 60),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "24": {
        "n_train": (256, 1024, 2048),
        "n_test": (96, 256, 512),
        "steps": (8, 96, 300),
        "batch_size": (32, 64, 128),
        "small_batch": (8, 16, 16),
        "large_batch": (64, 256, 512),
        "bank_size": (64, 240, 480),
        "n_rare": (40, 200, 400),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "25": {
        "n_train": (256, 1024, 4096),
        "n_test": (128, 256, 512),
        "steps": (10, 120, 300),
        "batch_size": (128, 256, 512),
        "batch_sizes": ((16, 64), (16, 64, 256), (16, 64, 512)),
        "seeds": ((0,), (0, 1, 2), (0, 1, 2, 3, 4)),
    },
    "26": {
        "n_train": (192, 1024, 1024),
        "n_val": (32, 256, 256),
        "n_test": (96, 256, 256),
        "steps": (12, 100, 200),
        "batch_size": (64, 128, 128),
        "seeds": ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4)),
        "n_simulated": (50, 400, 1000),
    },
} | TASK_SIZES


@dataclass(frozen=True)
class Lesson:
    """What a lesson needs to know about this run; its sizes are attributes too (`lesson.n_train`)."""

    name: str
    device: torch.device
    budget: str
    seed: int
    sizes: MappingProxyType = field(repr=False)

    def __getattr__(self, name: str) -> Any:
        """Read a size of this lesson's table; AttributeError names those that are there."""
        sizes = self.__dict__.get("sizes", {})
        if name in sizes:
            return sizes[name]
        raise AttributeError(f"lesson has no size {name!r}; sizes here: {', '.join(sizes)}")


def choose_device() -> torch.device:
    """Pick the device: AVCL_DEVICE if set, else CUDA when there, else the CPU.

    Apple's MPS is not picked by itself: some operators the lessons use are missing there. Ask for it by name.
    """
    return torch.device(os.environ.get("AVCL_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))


def choose_budget(device: torch.device) -> str:
    """Pick the budget: AVCL_BUDGET if set, else `gpu` on a GPU and `cpu` elsewhere.

    Raises ValueError when AVCL_BUDGET is none of quick, cpu, gpu.
    """
    wanted = os.environ.get("AVCL_BUDGET", "").strip().lower()
    if not wanted:
        return "gpu" if device.type == "cuda" else "cpu"
    if wanted not in BUDGETS:
        raise ValueError(f"AVCL_BUDGET must be one of {', '.join(BUDGETS)}; got {wanted!r}")
    return wanted


def choose_threads() -> int | None:
    """Read AVCL_THREADS, a positive whole number of torch threads, or None when it is not set."""
    wanted = os.environ.get("AVCL_THREADS", "").strip()
    if not wanted:
        return None
    if not wanted.isdigit() or int(wanted) < 1:
        raise ValueError(f"AVCL_THREADS must be a whole number of at least 1; got {wanted!r}")
    return int(wanted)


def sizes_for(lesson: str, budget: str) -> dict[str, Any]:
    """Return the sizes of one lesson in one budget.

    Raises ValueError for an unknown lesson or budget, naming those that exist.
    """
    if lesson not in SIZES:
        raise ValueError(f"lesson must be one of {', '.join(sorted(SIZES))}; got {lesson!r}")
    if budget not in BUDGETS:
        raise ValueError(f"budget must be one of {', '.join(BUDGETS)}; got {budget!r}")
    column = BUDGETS.index(budget)
    return {name: values[column] for name, values in SIZES[lesson].items()}


def set_seeds(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (torch seeds every device it has)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def start(lesson: str, *, seed: int = 0, quiet: bool = False) -> Lesson:
    """Start a lesson: pick the device and budget, set seeds and threads, print one line.

    Environment: AVCL_BUDGET (quick, cpu, gpu), AVCL_THREADS (torch threads), AVCL_DEVICE (cpu, cuda, mps).
    Raises ValueError when the lesson, AVCL_BUDGET or AVCL_THREADS is not one that exists.
    """
    device = choose_device()
    budget = choose_budget(device)
    sizes = sizes_for(lesson, budget)
    threads = choose_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    set_seeds(seed)
    if not quiet:
        print(f"avcl_teach {avcl_teach.__version__} · torch {torch.__version__} · {device} · budget {budget}")
    return Lesson(lesson, device, budget, seed, MappingProxyType(sizes))
