"""Table 1, living: every system declares itself, runs over seeds, and stands beside chance and controls."""

from avcl_teach.table1.declare import Claim, Outcome, System
from avcl_teach.table1.stored import lesson_rows, stored_table

__all__ = ["Claim", "Outcome", "System", "lesson_rows", "stored_table"]
