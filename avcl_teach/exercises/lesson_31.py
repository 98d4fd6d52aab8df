"""Exercises of lesson 31: top-1 with ties, a frozen probe, four versions of a window, two spaces."""

from avcl_teach.exercises.answers_31.probes import PROBES
from avcl_teach.exercises.answers_31.spaces import SPACES
from avcl_teach.exercises.answers_31.ties import TIES
from avcl_teach.exercises.answers_31.versions import VERSIONS

EXERCISES = (TIES, PROBES, SPACES, VERSIONS)
