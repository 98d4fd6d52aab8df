"""Exercises of lesson 33: macro accuracy, the best guess of one sense, labels of clips, Gram matrices."""

from avcl_teach.exercises.answers_33.bags import BAGS
from avcl_teach.exercises.answers_33.grams import GRAMS
from avcl_teach.exercises.answers_33.guesses import GUESSES
from avcl_teach.exercises.answers_33.macro import MACRO

EXERCISES = (MACRO, GUESSES, BAGS, GRAMS)
