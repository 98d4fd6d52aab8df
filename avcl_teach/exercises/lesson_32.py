"""Exercises of lesson 32: concordance, unweighted recall, bilinear pooling, what a text teaches."""

from avcl_teach.exercises.answers_32.bilinear import BILINEAR
from avcl_teach.exercises.answers_32.concordance import CONCORDANCE
from avcl_teach.exercises.answers_32.recalls import RECALLS
from avcl_teach.exercises.answers_32.transfer import TRANSFER

EXERCISES = (CONCORDANCE, RECALLS, BILINEAR, TRANSFER)
