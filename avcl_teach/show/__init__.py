"""Look and listen: plots return (fig, ax), players return HTML; matplotlib loads at the first call."""

from avcl_teach.show.circle import circle, four_pairs
from avcl_teach.show.descents import circle_animation, descend
from avcl_teach.show.duels import Standing, duel_film, standing
from avcl_teach.show.explore import explore
from avcl_teach.show.glimpse_sheets import glimpse_rows
from avcl_teach.show.intervals import intervals
from avcl_teach.show.players import clip, figure, row, sound, sounds
from avcl_teach.show.plots import embedding, matrix, similarity
from avcl_teach.show.scores import bars, curves, ranks
from avcl_teach.show.spectra import lag_curve, spectrogram, waveform
from avcl_teach.show.strips import clip_grid, retrieval_panel, strip

__all__ = [
    "Standing",
    "bars",
    "circle",
    "circle_animation",
    "clip",
    "clip_grid",
    "curves",
    "descend",
    "duel_film",
    "embedding",
    "explore",
    "figure",
    "four_pairs",
    "glimpse_rows",
    "intervals",
    "lag_curve",
    "matrix",
    "ranks",
    "retrieval_panel",
    "row",
    "similarity",
    "sound",
    "sounds",
    "spectrogram",
    "standing",
    "strip",
    "waveform",
]
