"""Exercises of lesson 12: heads, rotary positions, teacher forcing, DropToken."""

from avcl_teach.exercises.answers_12.drops import DROPS
from avcl_teach.exercises.answers_12.forcing import FORCING
from avcl_teach.exercises.answers_12.heads import HEADS
from avcl_teach.exercises.answers_12.turns import TURNS

EXERCISES = (HEADS, TURNS, FORCING, DROPS)
