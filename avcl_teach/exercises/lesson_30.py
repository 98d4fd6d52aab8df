"""Exercises of lesson 30: precision at k, folds, padding, captions, matching within an attribute, lists."""

from avcl_teach.exercises.answers_30.best_caption import BEST_CAPTION
from avcl_teach.exercises.answers_30.folds import FOLDS
from avcl_teach.exercises.answers_30.inverted import INVERTED
from avcl_teach.exercises.answers_30.one_of_two import ONE_OF_TWO
from avcl_teach.exercises.answers_30.precisions import PRECISIONS
from avcl_teach.exercises.answers_30.spoken_part import SPOKEN_PART

EXERCISES = (PRECISIONS, FOLDS, SPOKEN_PART, BEST_CAPTION, ONE_OF_TWO, INVERTED)
