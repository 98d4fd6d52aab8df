"""Exercises of lesson 16: reading and writing by content, a memory over clips, the nearest keys."""

from avcl_teach.exercises.answers_16.nearest import NEAREST
from avcl_teach.exercises.answers_16.reading import READING
from avcl_teach.exercises.answers_16.running import RUNNING
from avcl_teach.exercises.answers_16.writing import WRITING

EXERCISES = (READING, WRITING, RUNNING, NEAREST)
