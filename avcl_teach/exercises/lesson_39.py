"""Exercises of lesson 39: a mirror, sides that agree, a listener who turns, negatives of place."""

from avcl_teach.exercises.answers_39.mirrors import MIRROR
from avcl_teach.exercises.answers_39.sides import SIDES
from avcl_teach.exercises.answers_39.turns import TURNS
from avcl_teach.exercises.answers_39.views import ALIGN

EXERCISES = (MIRROR, SIDES, TURNS, ALIGN)
