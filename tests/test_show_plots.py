"""Plots: what is drawn has the right values, units and places."""

import subprocess
import sys
from types import SimpleNamespace

import jaxtyping
import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("Agg")

from avcl_teach import show  # noqa: E402
from avcl_teach.show import plots, scores, spectra, style  # noqa: E402

BAD = (ValueError, jaxtyping.TypeCheckError)  # with shapes checked at run time, the second comes first


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def tick_at(axis, label: str) -> float:
    found = [t.get_position()[axis.axis_name == "y"] for t in axis.get_ticklabels() if t.get_text() == label]
    assert len(found) == 1, f"tick {label!r} of {[t.get_text() for t in axis.get_ticklabels()]}"
    return found[0]


def test_import_loads_no_matplotlib():
    late = "('matplotlib', 'IPython', 'av', 'PIL', 'ipywidgets')"
    code = f"import sys, avcl_teach.show; print([m for m in {late} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_drawing_leaves_the_settings_as_they_were():
    before = dict(matplotlib.rcParams)
    show.waveform(torch.ones(10), sample_rate_hz=10)
    assert {k for k, v in matplotlib.rcParams.items() if before[k] != v} == set()


def test_error_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    with pytest.raises(ValueError, match="3 names"):
        show.matrix(torch.zeros(3, 2), rows=["a"])
    assert plt.get_fignums() == []


def test_waveform_is_in_seconds():
    x = torch.linspace(-1, 1, 4000)
    fig, ax = show.waveform(x, sample_rate_hz=8000)
    t, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, x)
    assert (t[0], t[1]) == (0, 1 / 8000)
    assert ax.get_xlim() == (0, 0.5)
    assert ax.get_xlabel() == "time (s)"
    assert len(show.waveform(torch.zeros(2, 10), sample_rate_hz=10).ax.lines) == 2


def test_mel_rows_are_those_of_librosa():
    import librosa

    for n_mels, f_min, f_max in ((64, 0.0, 4000.0), (40, 60.0, 8000.0)):
        centres = librosa.mel_frequencies(n_mels + 2, fmin=f_min, fmax=f_max)[1:-1]
        rows = [spectra.mel_row(f, n_mels=n_mels, f_min_hz=f_min, f_max_hz=f_max) for f in centres]
        np.testing.assert_allclose(rows, np.arange(n_mels), atol=1e-6)


def test_log_mel_has_its_values_and_axes():
    S = torch.randn(64, 126)
    fig, ax = show.spectrogram(S, sample_rate_hz=8000, hop_length=128)
    np.testing.assert_array_equal(ax.images[0].get_array(), S.numpy())
    assert ax.get_xlim() == pytest.approx((0, 2.0))
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left + right) / 2 == pytest.approx(1.0)  # the middle column is centred on 1 s
    assert right - left == pytest.approx(126 * 0.016)
    row = spectra.mel_row(1000, n_mels=64, f_min_hz=0, f_max_hz=4000)
    assert tick_at(ax.yaxis, "1000") == pytest.approx(row)
    assert fig.axes[1].get_ylabel() == "log power (nat)"


def test_stft_is_in_decibels_and_hertz():
    import librosa

    t = torch.arange(8000) / 8000
    x = torch.sin(2 * torch.pi * 1000 * t)
    X = torch.stft(x, 512, 128, window=torch.hann_window(512), return_complex=True)
    fig, ax = show.spectrogram(X, sample_rate_hz=8000, hop_length=128, kind="stft")
    level = np.asarray(ax.images[0].get_array())
    assert (level.max(), level.min()) == pytest.approx((0, -80))
    peer = librosa.amplitude_to_db(X.abs().numpy(), ref=np.max, top_db=80)
    np.testing.assert_allclose(level, peer, atol=1e-3)
    left, right, bottom, top = ax.images[0].get_extent()
    brightest = bottom + (level[:, 30].argmax() + 0.5) / level.shape[0] * (top - bottom)
    assert brightest == pytest.approx(1000)
    assert ax.get_ylim() == pytest.approx((0, 4000))
    assert "dB" in fig.axes[1].get_ylabel()


def test_level_db_closed_forms():
    np.testing.assert_allclose(spectra.level_db(np.array([[1.0, 0.1], [0.0, 1e-9]])), [[0, -20], [-80, -80]])
    assert (spectra.level_db(np.zeros((2, 3))) == -80).all()


@pytest.mark.parametrize(
    "S",
    [torch.randn(2, 64, 10), torch.full((4, 4), float("nan")), torch.zeros(0, 4)],
    ids=["batch", "nan", "empty"],
)
def test_spectrogram_refuses(S):
    with pytest.raises(BAD):
        show.spectrogram(S, sample_rate_hz=8000, hop_length=128)


def test_spectrogram_refuses_rate_kind_and_complex_mel():
    S = torch.zeros(4, 4)
    with pytest.raises(ValueError, match="sample_rate_hz"):
        show.spectrogram(S, sample_rate_hz=0, hop_length=1)
    with pytest.raises(BAD, match="kind"):
        show.spectrogram(S, sample_rate_hz=1, hop_length=1, kind="mel")
    with pytest.raises(ValueError, match="complex"):
        show.spectrogram(S.to(torch.complex64), sample_rate_hz=1, hop_length=1)


def test_similarity_prints_small_values_and_marks_pairs():
    S = torch.tensor([[0.9, -0.12], [0.3, 0.456]])
    fig, ax = show.similarity(S, labels_rows=["a", "b"], labels_columns=["c", "d"])
    np.testing.assert_array_equal(ax.images[0].get_array(), S.numpy())
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {
        ((0, 0), "0.90"), ((1, 0), "-0.12"), ((0, 1), "0.30"), ((1, 1), "0.46"),
    }  # fmt: skip
    assert [p.get_xy() for p in ax.patches] == [(-0.5, -0.5), (0.5, 0.5)]
    assert tick_at(ax.yaxis, "b") == 1
    assert tick_at(ax.xaxis, "d") == 1
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("query", "gallery")


def test_similarity_large_or_not_square():
    fig, ax = show.similarity(torch.randn(30, 30))
    assert len(ax.texts) == 0
    assert len(ax.lines) == 2
    assert len(show.similarity(torch.randn(3, 4)).ax.patches) == 0


def test_printed_numbers_are_readable_on_their_cells():
    assert style.text_colour((1, 1, 1, 1)) == "black"
    assert style.text_colour((0, 0, 0, 1)) == "white"
    assert style.text_colour(matplotlib.colormaps["viridis"](0.0)) == "white"
    assert style.text_colour(matplotlib.colormaps["viridis"](1.0)) == "black"


def test_matrix_prints_integers_whole_and_refuses_large():
    fig, ax = show.matrix(torch.tensor([[1, 20]]), columns=["x", "y"], rows=["r"])
    assert [t.get_text() for t in ax.texts] == ["1", "20"]
    with pytest.raises(ValueError, match="16 x 16"):
        show.matrix(torch.zeros(17, 2))


def test_pca_projection_keeps_distances_of_a_plane():
    g = torch.Generator().manual_seed(0)
    plane = torch.randn(20, 2, generator=g) @ torch.randn(2, 7, generator=g) + 3
    z2, names = plots.project(plane.numpy().astype(float), method="pca", seed=0)
    np.testing.assert_allclose(torch.pdist(torch.tensor(z2)), torch.pdist(plane.double()), rtol=1e-4)
    share = [int(n.split("(")[1].split(" ")[0]) for n in names]
    assert sum(share) in (99, 100, 101)
    assert share[0] >= share[1]


def test_embedding_colours_labels_and_marks_modalities():
    z = torch.randn(12, 5)
    labels, modality = torch.arange(12) % 3, torch.arange(12) // 6
    fig, ax = show.embedding(z, labels, modality=modality, names=["x", "y", "w"])
    assert len(ax.collections) == 6
    assert sum(len(c.get_offsets()) for c in ax.collections) == 12
    assert {t.get_text() for t in ax.texts} == {"x", "y", "w"}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["sound", "picture"]
    circle, triangle = (ax.collections[k].get_paths()[0].vertices.shape for k in (0, 1))
    assert circle != triangle


def test_embedding_tsne_separates_far_groups():
    g = torch.Generator().manual_seed(0)
    z = torch.randn(40, 4, generator=g) + 50 * (torch.arange(40) % 2)[:, None]
    fig, ax = show.embedding(z, torch.arange(40) % 2, method="tsne")
    a, b = (np.asarray(c.get_offsets()) for c in ax.collections)
    assert np.linalg.norm(a.mean(0) - b.mean(0)) > 2 * max(a.std(0).max(), b.std(0).max())
    assert "no unit" in ax.get_xlabel()


def test_embedding_refuses():
    with pytest.raises(ValueError, match="at least 3"):
        show.embedding(torch.zeros(2, 4))
    with pytest.raises(BAD):
        show.embedding(torch.randn(5, 4), torch.zeros(4))
    with pytest.raises(BAD, match="pca"):
        show.embedding(torch.randn(5, 4), method="umap")


def test_curves_draw_what_fit_recorded():
    history = SimpleNamespace(
        losses=[4.0, 3.0, 2.0, 1.0], metrics=[(2, 0.25), (4, 0.5)], metric_name="R@1", best_step=4
    )
    fig, (loss, metric) = show.curves(history, chance=0.1)
    np.testing.assert_array_equal(loss.lines[0].get_data(), [[0, 1, 2, 3], [4, 3, 2, 1]])
    np.testing.assert_array_equal(metric.lines[0].get_data(), [[2, 4], [0.25, 0.5]])
    assert metric.get_ylabel() == "R@1"
    assert {t.get_text() for t in metric.get_legend().get_texts()} == {"R@1", "best 0.5", "chance 0.1"}
    assert len(show.curves([1.0, 2.0]).fig.axes) == 1


def test_metric_points_take_every_form_and_refuse_unknown():
    pairs = [(0, 0.1), (5, 0.2)]
    assert scores.metric_points({"a": pairs}, None) == {"a": pairs}
    assert scores.metric_points([{"step": 0, "a": 0.1}, {"step": 5, "a": 0.2}], "a") == {"a": pairs}
    assert scores.metric_points(pairs, None, unnamed="m") == {"m": pairs}
    assert scores.metric_points(None, None) == {}
    with pytest.raises(ValueError, match="'b'"):
        scores.metric_points({"a": pairs}, "b")


def test_running_mean_closed_form():
    x = np.array([0.0, 3.0, 6.0, 9.0])
    np.testing.assert_allclose(scores.running_mean(x, window=1), x)
    np.testing.assert_allclose(scores.running_mean(x, window=3), [1.5, 3, 6, 7.5])
    np.testing.assert_allclose(scores.running_mean(np.full(50, 2.0)), 2.0)


def test_interval_is_students():
    from scipy import stats

    values = [0.61, 0.66, 0.63, 0.58]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert scores.interval(values) == pytest.approx((np.mean(values), low, high), abs=1e-4)
    assert pytest.approx([stats.t.ppf(0.975, n) for n in range(1, 31)], abs=5e-4) == list(scores.T_95)
    assert scores.interval([0.5]) == (0.5, 0.5, 0.5)
    assert scores.interval((0.5, 0.4, 0.7)) == (0.5, 0.4, 0.7)
    with pytest.raises(ValueError, match="mean, low, high"):
        scores.interval((0.4, 0.5, 0.7))


def test_numbers_of_bars_stand_clear_of_the_dots():
    fig, ax = show.bars({"a": [0.1, 0.1, 0.1, 0.1, 0.9]}, metric="R@1")  # the interval ends at .70
    (number,) = (t for t in ax.texts if t.get_text() == "0.26")
    assert number.get_position()[0] > 0.9


def test_bars_have_lengths_whiskers_and_levels():
    fig, ax = show.bars({"a": [0.2, 0.4], "b": (0.5, 0.4, 0.6)}, metric="R@1", chance=0.05, ceiling=0.9)
    assert [p.get_width() for p in ax.patches] == pytest.approx([0.3, 0.5])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    texts = {t.get_text() for t in ax.texts}
    assert {"0.3", "0.5", "chance 0.05", "ceiling 0.9"} <= texts
    whiskers = ax.collections[0].get_segments()[1]
    np.testing.assert_allclose(whiskers[:, 0], [0.4, 0.6])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # first result on top
    with pytest.raises(ValueError, match="at least one"):
        show.bars({})


def test_ranks_count_and_median():
    rank = torch.tensor([1.0, 1.0, 2.0, 10.0])
    fig, ax = show.ranks(rank, n_gallery=10)
    assert [p.get_height() for p in ax.patches] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {"chance", "median rank 1.5"}
    assert ax.lines[0].get_ydata()[0] == pytest.approx(0.4)
    with pytest.raises(ValueError, match="1 to 10"):
        show.ranks(torch.tensor([0.0]), n_gallery=10)


def test_lag_curve_is_in_seconds_with_the_middle_at_zero():
    fig, ax = show.lag_curve(torch.tensor([0.1, 0.2, 0.3, 0.9, 0.0]), rate_hz=8)
    t, y = ax.lines[2].get_data()
    np.testing.assert_allclose(t, [-0.25, -0.125, 0, 0.125, 0.25])
    assert ax.texts[0].get_text() == "highest at +0.125 s"
    assert ax.lines[0].get_xdata()[0] == 0
    with pytest.raises(ValueError, match="odd"):
        show.lag_curve(torch.zeros(4), rate_hz=8)


def test_drawing_into_given_axes():
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2)
    drawn = show.waveform(torch.ones(4), sample_rate_hz=4, ax=axes[1])
    assert drawn.fig is fig
    assert drawn.ax is axes[1]
    assert len(axes[0].lines) == 0
