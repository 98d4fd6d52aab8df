# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Spatial audio
#
# You will have given a mono sound two ears by looking at its picture, and taught a network to notice when a sound all around was turned.
#
# > **Time:** 45 minutes, and 35 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 90 s with 1.1 GB of memory; **headphones**\
# > **Survey:** section 3, Table 1. **Needs:** lessons 01, 02 and 24

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("39")

# %%
import math

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from avcl_teach import show, world
from avcl_teach.exercises import check

# %%
from avcl_teach.comparison.around import around, heard, mel_products, turned_power
from avcl_teach.comparison.ear_scenes import ear_scenes
from avcl_teach.comparison.train_two_ears import card, stored_ears
from avcl_teach.features.spectral import stft
from avcl_teach.metrics import speech
from avcl_teach.metrics.spatial import ear_envelope_distance, ear_stft_distance
from avcl_teach.metrics.spatial import side_accuracy, side_db
from avcl_teach.systems import lin2021, morgado2020
from avcl_teach.world.variants import panoramas, two_ears

RATE = {"sample_rate_hz": 8000}

# %% [markdown]
# ## Close your eyes
#
# One sound, heard by one ear copied to both, and by two ears. With headphones: where is it, and where does it go?

# %%
solo = world.load(range(8), split="test", preset="easy", layout="solo")
source = solo.waveform[0, 0]
print(world.CLASSES[int(solo.label[0])])
sweep = torch.linspace(-1.0, 1.0, 16) * two_ears.EDGE  # radians, one value a frame
moving = two_ears.pan_moving(source, sweep)
both = source.expand(2, -1)
words = ["mono: in the middle of your head", "two ears: from left to right"]
show.sounds([both, moving], **RATE, captions=words)

# %% [markdown]
# - Nothing was added to the sound but *where*. Two cues carry it: the far ear hears **later**, and **softer**.
# - A microphone that records one channel loses both. The picture still shows where things are: can it give them back?
#
# ## Two cues, by hand
#
# A head is a ball of radius $a$ = 8.75 cm. A wave from azimuth $\theta$ (0 ahead, positive to the right) runs a longer way to the far ear (Woodworth):
#
# $$\Delta t = \frac{a}{c}\,(\theta + \sin\theta)$$

# %%
for degrees in (0, 20, 60):
    theta = math.radians(degrees)
    by_hand = 0.0875 / 343 * (theta + math.sin(theta))
    assert_close(two_ears.delay_s(torch.tensor(theta)), torch.tensor(by_hand))
    print(f"{degrees:3d} deg: {1000 * by_hand:.2f} ms, {8000 * by_hand:.1f} samples")

# %% [markdown]
# - At most 4 samples at 8 kHz: a delay is a *fraction* of samples, so it is applied as a phase.
# - The head's shadow is for short waves: here $6 \sin\theta$ dB above 1.5 kHz, and a fifth of that at 0 Hz.
#
# A click makes both visible:

# %% mystnb={"image": {"alt": "Two lines: a click from the right reaches the right ear first and larger, the left ear a few samples later and smaller"}}
click = F.pad(torch.ones(1), (40, 40))
ears = two_ears.pan(click, torch.tensor(two_ears.EDGE))
fig, ax = plt.subplots(figsize=(6, 2.2), layout="constrained")
for x, name in zip(ears, ("left ear", "right ear")):
    ax.plot(range(25, 56), x[25:56], marker=".", label=name)
ax.set(xlabel="sample", title="a click at 60 degrees, to the right")
ax.legend();

# %% [markdown]
# ## A scene, its ears, and a mirror
#
# Players in the frame, each heard from where it is seen. In a mirror, picture **and** ears swap:

# %%
few = {"n_sounding": (1, 1), "n_silent": (0, 0), "n_decoys": (0, 0)}
few |= {"radius": (0.14, 0.16), "preset": "easy", "size_px": 96}
scenes = two_ears.load_two_ears(range(8), split="test", **few)
where = scenes.extra["azimuth"][:, 0, 8].rad2deg()
far = int(where.abs().argmax())
print("azimuths in degrees:", [round(x) for x in where.tolist()])
show.clip(scenes[far], caption=f"A player at {where[far]:.0f} degrees, with two ears.")

# %%
turned = two_ears.mirror(scenes[far])
assert_close(turned.frames, scenes[far].frames.flip(-1))
assert_close(turned.waveform, scenes[far].waveform.flip(1))
show.clip(turned, caption=f"In a mirror: {-where[far]:.0f} degrees, ears swapped.")

# %% [markdown]
# - Training networks on mirrored pictures is routine. Done **without** swapping the ears, it teaches that what is seen on the left is heard on either side.

# %% [markdown]
# ### Exercise 1: Hold a mirror to a clip
# ★☆☆ · 5 minutes
#
# Mirror the clips for which `turn` is true, leave the others alone. Ears: 0 left, 1 right.

# %%
def mirror(
    frames: Float[Tensor, "clip channel height width"],
    sound: Float[Tensor, "clip 2 sample"],
    turn: Bool[Tensor, "clip"],
) -> tuple[Float[Tensor, "clip channel height width"], Float[Tensor, "clip 2 sample"]]:
    """Return frames and sound, both mirrored where turn is true."""
    # HINT 1: which axis of the picture is left and right? And which of the sound?
    # HINT 2: flip everything, then choose clip by clip with torch.where; turn needs as
    # many axes as what it chooses from.
    # BEGIN SOLUTION
    pictures = torch.where(turn[:, None, None, None], frames.flip(3), frames)
    return pictures, torch.where(turn[:, None, None], sound.flip(1), sound)
    # END SOLUTION
    # ALTERNATIVE: frames.clone(), then assign to frames[turn].

# %%
check("spatial.mirror", mirror)

# %% [markdown]
# ## What to predict
#
# The input is the **sum** $m = l + r$. To predict $l$ and $r$ apart has a lazy way out: $m/2$ twice, which is mono, and not far off. So the family predicts the
# **difference** $d = l - r$, as a complex mask on the sum:
#
# $$\tilde S_D = \mathcal{M} \odot S_M, \qquad \tilde l = \tfrac{1}{2}(m + \tilde d), \quad \tilde r = \tfrac{1}{2}(m - \tilde d)$$

# %%
clips = ear_scenes(lesson.n_test, "test").to(lesson.device)
start = torch.full((len(clips),), 4000, device=lesson.device)
sound, frame = lin2021.windows(clips, start)  # 0.64 s, and the picture in its middle
m, d = sound.sum(1), sound[:, 0] - sound[:, 1]
assert_close((m + d) / 2, sound[:, 0])
assert_close((m - d) / 2, sound[:, 1])
share = d.square().mean() / m.square().mean()
print(f"{len(clips)} scenes; power of the difference: {100 * share:.1f} % of the sum's")

# %% [markdown]
# - The difference is small: *mono is a strong baseline*, and every figure below is read against it.
# - Half of the scenes have two players: one mask must lean left in some cells and right in others.
#
# ## How far off? By hand
#
# The field's **STFT distance**: real and imaginary parts, squared, a mean over cells, a sum over ears. Two ears, two cells:

# %%
Y = torch.tensor([[1 + 1j, 2 + 0j], [0 + 0j, 1 - 1j]])  # true  [ear, cell]
X = torch.tensor([[1 + 0j, 1 + 0j], [1 + 0j, 1 - 1j]])  # found [ear, cell]

def cell_by_cell(X, Y):
    total = 0.0
    for x, y in zip(X.tolist(), Y.tolist()):  # an ear each
        gaps = [(a.real - b.real) ** 2 + (a.imag - b.imag) ** 2 for a, b in zip(x, y)]
        total += sum(gaps) / len(gaps)
    return total

print(f"left (1 + 1) / 2, right (1 + 0) / 2: STFT distance {cell_by_cell(X, Y):.2f}")

# %% [markdown]
# The same loop over all cells of one scene, mono against the true ears, beside the tested function. Both sounds are divided by the *true* peak first:

# %%
mono = sound.mean(1, keepdim=True).expand_as(sound)
x, y = (z[0].cpu() / sound[0].abs().max().cpu() for z in (mono, sound))  # [ear, sample]
X, Y = (stft(z, n_fft=512, hop_length=160).flatten(1) for z in (x, y))
by_hand = cell_by_cell(X, Y)
tested = ear_stft_distance(mono[:1], sound[:1], own_peak=False)[0]
assert math.isclose(by_hand, float(tested), rel_tol=1e-3)
print(f"mono, one scene: {X.shape[1]} cells an ear, STFT distance {by_hand:.3f}")

# %% [markdown]
# > **As run:** released code divides *each* signal by its **own** peak before it compares.
# >
# > **What that forgives:** any error of loudness. A copy at half the loudness scores 0:

# %%
half = 0.5 * sound
print(f"own peaks:       {ear_stft_distance(half, sound).mean():.3f}")
print(f"the true peak:   {ear_stft_distance(half, sound, own_peak=False).mean():.3f}")
print(f"mono, true peak: {ear_stft_distance(mono, sound, own_peak=False).mean():.3f}")

# %% [markdown]
# - Below: the true peak for both.
# - The **envelope distance** of the same papers is a *root* mean square of the difference of Hilbert envelopes (lesson 37), summed over ears: one is squared, one is not,
#   and readers of the tables have asked which. The same scene:

# %%
total = 0.0
for e_x, e_y in zip(speech.envelope(x).tolist(), speech.envelope(y).tolist()):
    squares = [(a - b) ** 2 for a, b in zip(e_x, e_y)]
    total += math.sqrt(sum(squares) / len(squares))
tested = ear_envelope_distance(mono[:1], sound[:1], own_peak=False)[0]
assert math.isclose(total, float(tested), rel_tol=1e-3)
print(f"mono, one scene: envelope distance {total:.3f}")

# %% [markdown]
# - What an ear would ask first is the **side**: is the louder ear the right one? Mono counts one half.

# %%
def right_side(found, true, least_db):
    wanted, got = side_db(true), side_db(found)
    leaning = [(g, w) for g, w in zip(got, wanted) if abs(w) >= least_db]
    right = [float(g > 0) == float(w > 0) for g, w in leaning]
    return sum(right) / len(right)

swapped = sound.flip(1)
for y, share in ((sound, 1), (swapped, 0)):
    assert right_side(y, sound, 0.3) == side_accuracy(y, sound, least_db=0.3) == share
print("mono:", side_accuracy(mono, sound, least_db=0.3))

# %% [markdown]
# ## What sounds left should look left
#
# Lin and Wang (2021) add a signal that needs no second ear recorded. Every patch of sound is compared with every place of the picture; **ramps** ask on which
# side the likeness lies:
#
# $$P_a = \sigma\!\left(8\, \frac{|S_L| - |S_R|}{|S_L| + |S_R|}\right), \quad P_{av} = \sigma\big(4\, \mathrm{mean}\,[(W_L - W_R)\, C]\big), \quad L_{con} = \mathrm{BCE}(P_{av}, P_a)$$
#
# The factors and the denominator are ours: likenesses and shares of loudness lie within -1 to 1, and without them $\sigma$ would hardly leave one half.

# %%
# one clip, one patch of sound, 2 x 4 places of the picture
C = torch.tensor([[[[0.9, 0.2, 0.0, -0.1], [0.8, 0.1, 0.0, 0.0]]]])
x = torch.linspace(-2, 2, 4)
W_R, W_L = torch.sigmoid(2 * x), torch.sigmoid(-2 * x)
print("W_L", W_L.round(decimals=2).tolist(), "W_R", W_R.round(decimals=2).tolist())
lean = sum(C[0, 0, i, j] * (W_L[j] - W_R[j]) for i in range(2) for j in range(4)) / 8
P_av = torch.sigmoid(4 * lean)
assert_close(P_av, lin2021.picture_side(C)[0, 0])

# %%
for louder, left in (("left", 3.0), ("right", 1.0)):
    right = 4 - left
    P_a = torch.sigmoid(torch.tensor(8 * (left - right) / (left + right)))
    S_L, S_R = torch.full((1, 2, 2), left), torch.full((1, 2, 2), right)
    assert_close(P_a, lin2021.sound_side(S_L, S_R, (1, 1))[0, 0])
    cost = F.binary_cross_entropy(P_av, P_a)
    assert_close(cost, lin2021.consistency(C, S_L, S_R, (1, 1)))
    print(f"P_av {P_av:.2f}, louder on the {louder}: P_a {P_a:.2f}, L_con {cost:.2f}")

# %% [markdown]
# - Without two recorded ears, $P_a$ comes from the network's own estimate. Then it is a **target**: it must not carry a gradient, or the sound learns
#   to please the picture.

# %% [markdown]
# ### Exercise 2: Ask the likeness which side it is on
# ★★☆ · 10 minutes
#
# `C` likeness of each sound patch with each place, `l`, `r` magnitudes of each patch at the ears, `w` is $W_L - W_R$ of each column. Means over places and patches; no
# factors and no denominator here.

# %%
def side_consistency(
    C: Float[Tensor, "patch row column"],
    l: Float[Tensor, "patch"],
    r: Float[Tensor, "patch"],
    w: Float[Tensor, "column"],
) -> Float[Tensor, ""]:
    """Mean of BCE(P_av, P_a); P_av = sigmoid(mean of C w), P_a = sigmoid(l - r)."""
    # HINT 1: one number for each patch from the picture, one from the sound; which of
    # the two is the target?
    # HINT 2: detach the target; binary_cross_entropy_with_logits stays finite where
    # sigmoid rounds to 0 or 1.
    # BEGIN SOLUTION
    logits = (C * w).mean((1, 2))
    return F.binary_cross_entropy_with_logits(logits, torch.sigmoid(l - r).detach())
    # END SOLUTION
    # ALTERNATIVE: softplus(logits) - logits * target, then the mean.

# %%
check("spatial.side_consistency", side_consistency)

# %% [markdown]
# ## Train two ears
#
# A U-Net on the sum's spectrum; a small picture network sets its narrowest features (FiLM). Step by step for two scenes, then a short run, live:

# %%
torch.manual_seed(lesson.seed)
model = lin2021.TwoEars().to(lesson.device).eval()
S_M = lin2021.spectrum(m[:2])
with torch.no_grad():
    S_D, C = model(S_M, frame[:2])
print("spectrum of the sum  [clip, row, frame]         ", tuple(S_M.shape), S_M.dtype)
print("likeness  [clip, sound patch, picture row, col] ", tuple(C.shape))
assert (S_D.abs() <= 2**0.5 * S_M.abs() + 1e-5).all()  # a mask within -1 to 1

# %%
train = ear_scenes(lesson.n_train, "train")
run = {"seed": lesson.seed, "device": lesson.device}
run |= {"steps": lesson.steps, "batch": lesson.batch}
short = lin2021.train(train, arm="paper", **run)
deaf_to_pictures = lin2021.train(train, arm="sound alone", **run)

# %% [markdown]
# A longer run ships with the package (`python -m avcl_teach.comparison.train_two_ears`). All of them, on players never met:

# %%
long, about = stored_ears().to(lesson.device), card("two_ears")
print(f"{about['steps']} steps, {about['processor_s']} processor seconds")

@torch.no_grad()
def distance(net, pictures):
    found = lin2021.estimate(net, sound, pictures)
    return ear_stft_distance(found, sound, own_peak=False).mean().item()

# %% mystnb={"image": {"alt": "Bars of STFT distance, lower is better: the long run far below mono, with another picture far above it, short runs near mono, the oracle mask lowest"}}
other = frame.roll(1, 0)
levels = {
    "short run": [distance(short, frame)],
    "short run, sound alone": [distance(deaf_to_pictures, frame)],
    "long run": [distance(long, frame)],
    "long run, another picture": [distance(long, other)],
}
best = ear_stft_distance(lin2021.oracle(sound), sound, own_peak=False).mean().item()
nothing = ear_stft_distance(mono, sound, own_peak=False).mean().item()
show.bars(levels, metric="STFT distance (lower: better)", chance=nothing, ceiling=best);

# %%
with torch.no_grad():
    found = lin2021.estimate(long, sound, frame)
    wrong = lin2021.estimate(long, sound, other)
for name, y in (("own picture", found), ("another picture", wrong), ("mono", mono)):
    print(f"{name:16s} right side: {100 * side_accuracy(y, sound, least_db=0.3):.0f} %")

# %% [markdown]
# - The short run need not beat mono yet: a timid guess costs less than a wrong one. The long run does.
# - Chance is **mono**, the ceiling an **oracle** that knows the true difference and may use any mask within -1 to 1.
# - With another clip's picture the network does not fall back to mono: it leans to where *that* picture says, and pays for it.
# - Sound alone cannot know the side: the sum of a scene and of its mirror are the same signal.
#
# ## Hear it, then flip the frame
#
# The scene that leans most. The sum of the ears stays the same in a mirror, so **only the frame** is flipped:

# %%
pick = int(side_db(sound).abs().argmax())
with torch.no_grad():
    flipped = lin2021.estimate(long, sound, frame.flip(-1))
heard_now = [mono[pick], found[pick], flipped[pick], sound[pick]]
words = ["mono", "two ears by looking", "the frame flipped", "truth"]
levels_db = [float(side_db(y)) for y in heard_now]
captions = [f"{w}: right ear {z:+.1f} dB" for w, z in zip(words, levels_db)]
show.sounds([y.cpu() for y in heard_now], **RATE, captions=captions)

# %% tags=["hide-input"] mystnb={"image": {"alt": "The frame and its mirror image, each above a picture of the level difference between the ears over time and frequency: red on one side becomes blue on the other; the truth beside them agrees with the first"}}
def lean_picture(y):
    S = lin2021.spectrum(y).abs() + 0.2
    return 20 * (S[1] / S[0]).log10().cpu()

fig, axes = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained")
pictures = frame[pick], frame[pick].flip(-1), frame[pick]
for k, (y, picture, title) in enumerate(zip(heard_now[1:], pictures, words[1:])):
    axes[0, k].imshow(picture.permute(1, 2, 0).cpu())
    axes[0, k].set(title=title, xticks=[], yticks=[])
    how = {"origin": "lower", "aspect": "auto", "cmap": "RdBu_r", "vmin": -6, "vmax": 6}
    shown = axes[1, k].imshow(lean_picture(y), **how)
    axes[1, k].set(xlabel="frame of the transform")
fig.colorbar(shown, ax=axes[1], label="right louder (dB)");

# %%
turned_db, kept_db = side_db(flipped), side_db(found)
leans = kept_db.abs() > 0.2
changed = (turned_db.sign() != kept_db.sign())[leans].float().mean()
print(f"flip: {100 * changed:.0f} % of {int(leans.sum())} estimates change sides")

# %% [markdown]
# - In the truth, cells in which nothing plays hold the noise of each ear, red or blue at random; nobody can predict it.
#
# ## Turn a knob: push the picture
#
# The same sound; the picture is pushed sideways by some pixels (what leaves comes in at the other side).

# %%
def pushed(pixels):
    with torch.no_grad():
        picture = frame[pick][None].roll(pixels, -1)
        y = lin2021.estimate(long, sound[pick][None], picture)[0]
    fig, (left, right) = plt.subplots(1, 2, figsize=(6, 2.4), layout="constrained")
    left.imshow(picture[0].permute(1, 2, 0).cpu())
    left.axis("off")
    right.barh([0], [float(side_db(y))])
    right.set(xlim=(-3, 3), yticks=[], xlabel="right ear louder (dB)")
    return fig, right

# %%
show.explore(
    pushed, {"pixels": [-12, -8, -4, 0, 4, 8, 12]}, default={"pixels": 0},
    caption="Push the player: the sound follows, as far as the network understands.",
    alt="A frame pushed sideways; a bar, the ears' level difference, follows it.",
)

# %% [markdown]
# ## All around
#
# A panorama wraps: its right edge is its left edge. Its sound has **four channels** (first-order ambisonics): $W$ hears everywhere, $Y$ to the left minus to the
# right, $X$ ahead minus behind, $Z$ up minus down (0 here).

# %% mystnb={"image": {"alt": "A panorama four times as wide as high with three players; two of them are marked as sounding, one as silent"}}
pano = panoramas.load_panoramas(range(4), split="test", preset="easy", height_px=64)
theta = pano.extra["azimuth"][0, :, 8].rad2deg()
fig, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
ax.imshow(pano.frames[0, 8].permute(1, 2, 0), extent=(0, 360, 64, 0), aspect="auto")
for k in range(3):
    word = "sounds" if pano.sounding[0, k] else "silent"
    name = world.CLASSES[int(pano.object_class[0, k])]
    style = {"ha": "center", "color": "white", "backgroundcolor": "0.2"}
    ax.text(float(theta[k]) % 360, 62, f"{name}, {word}", **style)
ax.set(xlabel="degrees to the right of straight ahead", yticks=[]);

# %% [markdown]
# One source $s$ at azimuth $\theta$ to the right: $W = s$, $Y = -s \sin\theta$, $X = s \cos\theta$. The standard counts angles to the *left*; pictures count to
# the right. That sign is where code goes wrong:

# %%
for degrees in (0, 90, -90, 180):
    t = torch.full((1, 1), math.radians(degrees))
    four = panoramas.encode(torch.ones(1, 4), t)[0, :, 0].round(decimals=2)
    W, Y, Z, X = four.tolist()
    print(f"{degrees:4d} degrees: W {W:.0f}  Y {Y + 0:+.0f}  X {X + 0:+.0f}")

# %% [markdown]
# **To turn the listener** by $\psi$ to the right is to mix $X$ and $Y$; a source at $\theta$ is then heard at $\theta - \psi$. The test to remember: turn *to* the source,
# and $Y' = 0$, $X' > 0$.

# %%
s, t, psi = torch.randn(5), math.radians(50), math.radians(50)
Y, X = -s * math.sin(t), s * math.cos(t)
Y2 = Y * math.cos(psi) + X * math.sin(psi)
X2 = X * math.cos(psi) - Y * math.sin(psi)
w = torch.stack([s, Y, torch.zeros(5), X])
assert_close(torch.stack([s, Y2, torch.zeros(5), X2]), panoramas.rotate(w, psi))
print("Y'", Y2.abs().max().item() < 1e-6, " X' = s", torch.allclose(X2, s, atol=1e-6))

# %% [markdown]
# ### Exercise 3: Turn the listener, not the sound
# ★★☆ · 8 minutes
#
# Channels `W, Y, Z, X`, with `Y` to the left. One yaw for each clip, radians, to the right.

# %%
def turn_listener(
    w: Float[Tensor, "clip 4 sample"], yaw: Float[Tensor, "clip"]
) -> Float[Tensor, "clip 4 sample"]:
    """Four channels after a turn by yaw to the right: theta becomes theta - yaw."""
    # HINT 1: put a source at the angle of the turn: it must end up straight ahead.
    # HINT 2: -sin(theta - yaw) and cos(theta - yaw), expanded, in terms of Y and X.
    # BEGIN SOLUTION
    W, Y, Z, X = w.unbind(1)
    c, s = yaw.cos()[:, None], yaw.sin()[:, None]
    return torch.stack([W, Y * c + X * s, Z, X * c - Y * s], dim=1)
    # END SOLUTION
    # ALTERNATIVE: a 4 x 4 matrix for each clip, and one matrix product.

# %%
check("spatial.turn_listener", turn_listener)

# %% [markdown]
# ## What magnitudes hide
#
# The released pipeline turns the sound to each view, and then takes **log magnitudes** of each channel. A source at 30 degrees to the right, to the left, and behind:

# %%
burst = 0.1 * torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
views = {}
for degrees in (30, -30, 150):
    t = torch.full((1, 16), math.radians(degrees))
    products = mel_products(panoramas.encode(burst, t))
    views[degrees] = heard(products, directions=True)[0].mean((1, 2))
    line = "  ".join(f"{z:+.2f}" for z in views[degrees].tolist())
    print(f"{degrees:4d}: log W, Y, X, intensities WY, WX: {line}")
assert_close(views[30][:3], views[-30][:3], atol=1e-3, rtol=0)
assert_close(views[30][:3], views[150][:3], atol=1e-3, rtol=0)

# %% [markdown]
# - The three magnitudes are equal: **one view cannot tell left from right, nor front from back**.
# - The **intensities** $\mathrm{Re}(W Y^*)$, $\mathrm{Re}(W X^*)$ keep the sign. They cost two channels.
# - Powers of a turned sound need no sound: products of sines and cosines of six kept tables.

# %%
w = pano.waveform[:2]
kept = turned_power(mel_products(w), torch.tensor([0.7, 0.7]))
assert_close(kept, mel_products(panoramas.rotate(w, 0.7)), rtol=1e-3, atol=1e-3)
print("six tables a clip:", tuple(kept.shape[1:]))

# %% [markdown]
# Can **several** views triangulate? Magnitudes of $Y$ and $X$ alone, in two views; the second looks 20 degrees to the right:

# %%
for degrees in (30, -30, 150, 210):
    t = torch.full((1, 16), math.radians(degrees))
    power, line = mel_products(panoramas.encode(burst, t)), ""
    for yaw in (0, 20):
        seen = turned_power(power, torch.tensor([math.radians(yaw)]))
        _, y, x = heard(seen)[0].mean((1, 2)).tolist()
        line += f"   view {yaw:2d}: Y {y:+.2f} X {x:+.2f}"
    print(f"{degrees:4d} degrees:{line}")

# %% [markdown]
# - In the second view 30 and -30, or 30 and 150, differ: in principle a set of views can triangulate. But 30 and 210 agree in every view: half a turn changes the signs of
#   $Y$ and $X$, and magnitudes have none.
#
# ## Negatives that differ in nothing but place
#
# Views of **one moment** share all meaning: same players, same notes. Who must tell their sounds apart has only *direction* left. Morgado et al. (2020): the
# set of pictures is translated to the set of sounds $\hat a$, and each must pick its own,
#
# $$L = -\log \frac{e^{\hat a_{ik} \cdot a_{ik} / \tau}}{\sum_{j} e^{\hat a_{ik} \cdot a_{jk} / \tau} + \sum_{l \ne k} e^{\hat a_{ik} \cdot a_{il} / \tau}}$$
#
# first among other clips $j$ (easy), then also among the other views $l$ of its own (hard). By hand, two clips with two views:

# %%
def unit(angle):
    return torch.stack([angle.cos(), angle.sin()], 2)  # [clip, view, 2]

angles = torch.tensor([[0.0, 60.0], [180.0, 250.0]]).deg2rad()
a, a_hat = unit(angles), unit(angles + 0.3)

# %%
total = 0.0
for i in range(2):
    for k in range(2):
        own = math.exp(a_hat[i, k] @ a[i, k] / 0.07)
        easy = math.exp(a_hat[i, k] @ a[1 - i, k] / 0.07)
        hard = math.exp(a_hat[i, k] @ a[i, 1 - k] / 0.07)
        total += -math.log(own / (own + easy + hard)) / 4
both = morgado2020.alignment_loss(a_hat, a, hard=True)
assert_close(torch.tensor(total), both, rtol=1e-4, atol=1e-5)
easy_only = morgado2020.alignment_loss(a_hat, a, hard=False)
print(f"easy and hard {total:.4f}, easy alone {easy_only:.4f}")

# %% [markdown]
# - Other clips alone cost next to nothing in this example: they are far away, and what is left to learn is *within* a moment. Whether that is so in training, the row
#   below asks.

# %% [markdown]
# ### Exercise 4: Choose among other clips, and among your own views
# ★★★ · 12 minutes
#
# Rows are unit vectors. Own similarity once, other clips at the same view, own clip at other views. Mean over clips and views.

# %%
def align(
    a_hat: Float[Tensor, "clip view dim"],
    a: Float[Tensor, "clip view dim"],
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """Mean -log share of a_ik among a_jk of all clips and a_il of its other views."""
    # HINT 1: two tables of similarities for each (i, k): over clips j, over views l.
    # Who is in both?
    # HINT 2: mask the second table's diagonal with -inf, join both along the last axis,
    # and logsumexp over it.
    # BEGIN SOLUTION
    easy = torch.einsum("ikd,jkd->ikj", a_hat, a) / temperature
    hard = torch.einsum("ikd,ild->ikl", a_hat, a) / temperature
    eye = torch.eye(a.shape[1], dtype=torch.bool, device=a.device)
    both = torch.cat([easy, hard.masked_fill(eye, -torch.inf)], dim=2)
    return (both.logsumexp(2) - (a_hat * a).sum(2) / temperature).mean()
    # END SOLUTION
    # ALTERNATIVE: cross_entropy with target i on the joined table.

# %%
check("spatial.align", align)

# %% [markdown]
# ## Train, and ask: was it turned?
#
# A frozen trunk that knows the world's classes sees pictures (from scratch, this size stays at chance). Two networks, live: one hears **magnitudes** as the released
# code, one also hears **intensities**, as the system of the row.

# %%
moments = around(lesson.n_moments, "train").to(lesson.device)
unseen = around(lesson.n_unseen, "test").to(lesson.device)
run |= {"steps": lesson.turn_steps, "batch": lesson.turn_batch}
arms = ("magnitudes", "intensities")
nets = {arm: morgado2020.train(moments, arm=arm, **run) for arm in arms}

# %% [markdown]
# The **probe**: frozen features of four views, a linear classifier: is this moment's sound as it was, or turned by a random yaw? Half of them are.

# %%
how = {"n_draws": lesson.draws, "seed": lesson.seed}
scores = {}
for arm, net in nets.items():
    probe = morgado2020.fit_probe(*morgado2020.probe_rows(net, moments, arm=arm, **how))
    for wrong in (False, True):
        z, y = morgado2020.probe_rows(net, unseen, arm=arm, wrong=wrong, **how)
        name = arm + (", other clip" if wrong else "")
        scores[name] = [float((probe.predict(z.numpy()) == y.numpy()).mean())]
told = morgado2020.told_rule(unseen, **how)
print({name: round(v[0], 3) for name, v in scores.items()})
print(f"a rule that is told the places: {told:.3f}")

# %% mystnb={"image": {"alt": "Bars of the probe's accuracy: intensities far above one half, magnitudes a little above it, both near one half with another clip's sound"}}
show.bars(scores, metric="turned or not: accuracy", chance=0.5, ceiling=told);

# %% [markdown]
# - Chance is one half. With another clip's sound the probe is back there: there is nothing to align.
# - A small turn cannot be told from none, so no probe reaches 1. The *told rule* knows where the players are and compares one mean direction; it is a
#   yardstick, and a network that hears each player apart may pass it.
#
# > **As printed, Table 1:** Morgado 2020: sound localization, semi-supervised, 73.85 / 73.8 / 37.66.
# >
# > **What is meant:** self-supervised representation learning. 73.85 is the accuracy of a *binary* probe (chance 50), the others are fine-tuned action recognition.
# > Nothing is localized.

# %% [markdown]
# > **As printed, Table 1:** Lin & Wang 2021: sound separation, CE, STFT 0.865 / 1.448.
# >
# > **What is meant:** mono to two ears; squared error of the difference *plus* the consistency of sides; figures of the supervised table, where mono has 1.155 / 1.853.

# %% [markdown]
# ## The two systems, side by side
#
# As the table's runner measured them, three seeds each, full size (the runs above are one seed, and shorter):

# %%
from avcl_teach.table1 import lesson_rows

Markdown(lesson_rows("39"))

# %% [markdown]
# - Where a claim reads "not shown" or "reversed", that is the finding at this size and these seeds, and no verdict on the paper.
# - **Negatives of one moment**, Morgado's idea, make no difference here: the network that met other clips alone is as good. Intensities tell direction, and direction tells
#   one clip from another already; nobody is forced to look within a moment.
# - **Several views** do help, with intensities. With magnitudes a set of views could triangulate, up to half a turn; at this size it was not learned.

# %% [markdown]
# ### Exercise 5 (open-ended): Break space in one line
# ★★★ · 30 minutes
#
# Put one fault into `lin2021.train` or `morgado2020.listen`: mirrored frames without swapped ears, or sound turned by $+\psi$ where $-\psi$ is needed. The loss still
# falls. Say beforehand what each figure will do; then run three seeds, and write the cheapest test that catches it.
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | The fault | crashes | shows in the loss | loss falls, space is lost |
# | Prediction | none | one figure | distance, side and wrong partner |
# | The test | trains to the end | some steps | no training: a mirror, or a source straight ahead |
# | Seeds | one | three | three, with interval and verdict |
# | What you learnt | nothing written | the fault named | why the loss could not see it |

# %% [markdown]
# ## Recap
#
# - Place is two cues: a delay and a level. Predict the *difference* of the ears, from the sum and the picture; mono is the row to beat.
# - A distance after own-peak normalisation forgives loudness; side accuracy asks what an ear would.
# - Flip the frame alone, and the sound must flip. It is a test, not a metric.
# - Turning ambisonics mixes $X$ and $Y$; turn to the source, and $Y' = 0$. Magnitudes hide the sign; intensities keep it.
# - Views of one moment are negatives that share everything but direction. Where intensities are heard, other clips teach it as well here; a set of views beats one.

# %% [markdown]
# **Rows of Table 1 that build on this:** Lin & Wang 2021, Morgado 2020.
#
# **To read:** Lin and Wang (2021); Morgado et al. (2020); Gao and Grauman (2019), 2.5D Visual Sound, the base of the first; Vilaça et al. (2022), section 3.
