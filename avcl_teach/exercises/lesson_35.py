"""Exercises of lesson 35: whose cell, how good, what passes between sources, what adds up."""

from avcl_teach.exercises.answers_35.cells import CELLS
from avcl_teach.exercises.answers_35.figures import FIGURES
from avcl_teach.exercises.answers_35.passing import PASSING
from avcl_teach.exercises.answers_35.sums import SUMS

EXERCISES = (CELLS, FIGURES, PASSING, SUMS)
