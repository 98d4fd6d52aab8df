"""Exercises of lesson 30: precision at k, folds, epochs, captions, masks, matching, floors, lists."""

from avcl_teach.exercises.answers_30.best_caption import BEST_CAPTION
from avcl_teach.exercises.answers_30.epochs import EPOCHS
from avcl_teach.exercises.answers_30.folds import FOLDS
from avcl_teach.exercises.answers_30.inverted import INVERTED
from avcl_teach.exercises.answers_30.known_pairs import KNOWN_PAIRS
from avcl_teach.exercises.answers_30.loss_floor import LOSS_FLOOR
from avcl_teach.exercises.answers_30.one_of_two import ONE_OF_TWO
from avcl_teach.exercises.answers_30.precisions import PRECISIONS

EXERCISES = (PRECISIONS, FOLDS, EPOCHS, BEST_CAPTION, KNOWN_PAIRS, ONE_OF_TWO, LOSS_FLOOR, INVERTED)
