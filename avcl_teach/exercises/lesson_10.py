"""Exercises of lesson 10: additive scores, scaled dot products, masks, attention pooling."""

from avcl_teach.exercises.answers_10.addition import ADDITION
from avcl_teach.exercises.answers_10.masked import MASKED
from avcl_teach.exercises.answers_10.pooled import POOLED
from avcl_teach.exercises.answers_10.scaled import SCALED

EXERCISES = (ADDITION, SCALED, MASKED, POOLED)
