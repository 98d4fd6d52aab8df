"""Features of sound and picture: tensors in, tensors out."""

from avcl_teach.features.frames import (
    frame_stack,
    frame_times_s,
    mean_around,
    motion_energy,
    resample_to_clock,
    smooth,
)
from avcl_teach.features.inversion import griffin_lim, mel_to_power, sound_from_log_mel
from avcl_teach.features.onsets import lagged_correlation, onset_strength
from avcl_teach.features.segments import region_cover, segment_regions, segment_sounds
from avcl_teach.features.spectral import hz_to_mel, log_mel, mel_centres_hz, mel_filters, mel_to_hz, stft
from avcl_teach.features.standardize import Standardizer

__all__ = [
    "Standardizer",
    "frame_stack",
    "frame_times_s",
    "griffin_lim",
    "hz_to_mel",
    "lagged_correlation",
    "log_mel",
    "mean_around",
    "mel_centres_hz",
    "mel_filters",
    "mel_to_hz",
    "mel_to_power",
    "motion_energy",
    "onset_strength",
    "region_cover",
    "resample_to_clock",
    "segment_regions",
    "segment_sounds",
    "smooth",
    "sound_from_log_mel",
    "stft",
]
