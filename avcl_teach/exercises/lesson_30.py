"""Exercises of lesson 30: precision at k, folds, the epoch to report, search in lists."""

from avcl_teach.exercises.answers_30.epochs import EPOCHS
from avcl_teach.exercises.answers_30.folds import FOLDS
from avcl_teach.exercises.answers_30.inverted import INVERTED
from avcl_teach.exercises.answers_30.precisions import PRECISIONS

EXERCISES = (PRECISIONS, FOLDS, EPOCHS, INVERTED)
