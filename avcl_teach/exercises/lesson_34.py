"""Exercises of lesson 34: overlap with a consensus, bright places, precision of boxes."""

from avcl_teach.exercises.answers_34.bright import BRIGHT
from avcl_teach.exercises.answers_34.overlap import OVERLAP
from avcl_teach.exercises.answers_34.precision import PRECISION

EXERCISES = (OVERLAP, BRIGHT, PRECISION)
