"""Exercises of lesson 38: joints that hear their neighbours, events as a roll, the next event, onsets."""

from avcl_teach.exercises.answers_38.joints import JOINTS
from avcl_teach.exercises.answers_38.next_events import NEXT
from avcl_teach.exercises.answers_38.onsets import ONSETS
from avcl_teach.exercises.answers_38.rolls import ROLLS

EXERCISES = (JOINTS, ROLLS, NEXT, ONSETS)
