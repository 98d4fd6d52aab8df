"""Exercises of lesson 36: yes/no judges, clouds of features, sets of classes, ranks of a class."""

from avcl_teach.exercises.answers_36.class_ranks import RANKS
from avcl_teach.exercises.answers_36.clouds import CLOUDS
from avcl_teach.exercises.answers_36.label_sets import SETS
from avcl_teach.exercises.answers_36.yes_or_no import JUDGES

EXERCISES = (JUDGES, CLOUDS, SETS, RANKS)
