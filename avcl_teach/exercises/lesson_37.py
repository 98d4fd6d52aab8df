"""Exercises of lesson 37: word errors, what sight leaves open, one cut for both senses, log spectra."""

from avcl_teach.exercises.answers_37.crops import CROPS
from avcl_teach.exercises.answers_37.floors import FLOORS
from avcl_teach.exercises.answers_37.spectra import SPECTRA
from avcl_teach.exercises.answers_37.words import WORDS

EXERCISES = (WORDS, FLOORS, CROPS, SPECTRA)
