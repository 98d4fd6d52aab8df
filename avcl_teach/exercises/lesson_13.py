"""Exercises of lesson 13: a tied decoder, two measures of the gap, one for each way to share a latent."""

from avcl_teach.exercises.answers_13.agreements import AGREEMENTS
from avcl_teach.exercises.answers_13.classes import CLASSES
from avcl_teach.exercises.answers_13.conditions import CONDITIONS
from avcl_teach.exercises.answers_13.crosses import CROSSES
from avcl_teach.exercises.answers_13.joints import JOINTS
from avcl_teach.exercises.answers_13.probes import PROBES
from avcl_teach.exercises.answers_13.swaps import SWAPS
from avcl_teach.exercises.answers_13.ties import TIES

EXERCISES = (TIES, PROBES, SWAPS, JOINTS, CLASSES, AGREEMENTS, CROSSES, CONDITIONS)
