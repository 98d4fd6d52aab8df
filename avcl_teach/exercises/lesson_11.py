"""Exercises of lesson 11: co-attention, regions in reach, a joint round, pointing, maps that agree."""

from avcl_teach.exercises.answers_11.agreement import AGREEMENT
from avcl_teach.exercises.answers_11.joint import JOINT
from avcl_teach.exercises.answers_11.pairwise import PAIRWISE
from avcl_teach.exercises.answers_11.pointing import POINTING
from avcl_teach.exercises.answers_11.reach import REACH

EXERCISES = (PAIRWISE, REACH, JOINT, POINTING, AGREEMENT)
