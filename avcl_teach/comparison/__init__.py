"""A bench on which every objective trains with the same encoders, the same data and the same steps."""

from avcl_teach.comparison.delayed import LongScenes, LongSplit, answer_by_rule, long_scenes
from avcl_teach.comparison.glimpse_pairs import Glimpses, GlimpseSplit, glimpses
from avcl_teach.comparison.hidden_segments import HiddenRows, hidden_segments
from avcl_teach.comparison.latent_reports import latent_report, space_report
from avcl_teach.comparison.networks import Layout, SideEncoder
from avcl_teach.comparison.pairs import Pairs, Split, digit_pairs, toy_pairs, world_pairs
from avcl_teach.comparison.reports import linear_probe, report
from avcl_teach.comparison.runs import Run, seeds, train
from avcl_teach.comparison.segment_pairs import Segments, SegmentSplit, world_segments

__all__ = [
    "GlimpseSplit",
    "Glimpses",
    "HiddenRows",
    "Layout",
    "LongScenes",
    "LongSplit",
    "Pairs",
    "Run",
    "SegmentSplit",
    "Segments",
    "SideEncoder",
    "Split",
    "answer_by_rule",
    "digit_pairs",
    "glimpses",
    "hidden_segments",
    "latent_report",
    "linear_probe",
    "long_scenes",
    "report",
    "seeds",
    "space_report",
    "toy_pairs",
    "train",
    "world_pairs",
    "world_segments",
]
