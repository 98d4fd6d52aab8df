"""Exercises of lesson 15: losses of two players, and what holds, joins and conditions them."""

from avcl_teach.exercises.answers_15.averages import AVERAGES
from avcl_teach.exercises.answers_15.detached import DETACHED
from avcl_teach.exercises.answers_15.drawings import DRAWINGS
from avcl_teach.exercises.answers_15.joined import JOINED
from avcl_teach.exercises.answers_15.losses import LOSSES
from avcl_teach.exercises.answers_15.penalties import PENALTIES
from avcl_teach.exercises.answers_15.projections import PROJECTIONS
from avcl_teach.exercises.answers_15.reversals import REVERSALS

EXERCISES = (LOSSES, DETACHED, PENALTIES, AVERAGES, REVERSALS, JOINED, DRAWINGS, PROJECTIONS)
