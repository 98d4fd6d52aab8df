"""Exercises of lesson 14: the draw, its divergence, the bound, Wasserstein, the shared decoder's targets."""

from avcl_teach.exercises.answers_14.bounds import BOUNDS
from avcl_teach.exercises.answers_14.carries import CARRIES
from avcl_teach.exercises.answers_14.divergences import DIVERGENCES
from avcl_teach.exercises.answers_14.draws import DRAWS
from avcl_teach.exercises.answers_14.targets import TARGETS

EXERCISES = (DRAWS, DIVERGENCES, BOUNDS, CARRIES, TARGETS)
