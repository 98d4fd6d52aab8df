# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where in the picture does the sound come from?
#
# You will have built a network that points at what sounds, without ever being told where, and the metrics that tell "the
# thing that sounds" from "a thing".
#
# > **Time:** 50 minutes, and 32 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 125 s with 1 GB of memory (the first time 30 s more, to render clips)\
# > **Survey:** section 3.3 (sound source localization). **Needs:** lessons 11 and 24

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("34")

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from jaxtyping import Bool, Float, Int
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

# %%
from avcl_teach import show, world
from avcl_teach.comparison import localizers, train_localizer
from avcl_teach.comparison.pseudo_boxes import balanced_assignment, heat_box
from avcl_teach.comparison.sightings import sightings
from avcl_teach.comparison.verdicts import paired_difference
from avcl_teach.encoders.place_detector import detect
from avcl_teach.encoders.soft_clusters import soft_k_means
from avcl_teach.exercises import check
from avcl_teach.metrics import detection, localization
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives import tri_maps
from avcl_teach.systems import afouras2021, chen2021, hu2020

# %% [markdown]
# ## Who plays?
#
# Three objects move, each by notes of its own. Only one of them is heard. Look first without listening: can you tell?

# %%
test = sightings(lesson.n_test, split="test")
where = {name: x for name, x in test.where.items() if name != "size_px"}
puzzle = world.load([5], size_px=128, **where)
show.clip(
    puzzle, caption="One of three objects sounds; the other two move to notes unheard"
)

# %% [markdown]
# Motion does not tell: silent objects move as much. You know what a drum looks like, and what it sounds like. The network
# below gets neither names nor boxes: only pictures and sounds that belong together. Decide before you run the second cell.

# %% mystnb={"image": {"alt": "Six frames of a drum, a flute player and a violin above a waveform and a spectrogram: five sustained notes with many overtones"}}
show.strip(puzzle, 0, n_frames=6, title="Who sounds?");

# %%
named = ["guitar", "xylophone", "drum", "violin", "flute", "horn", "face", "bird"]
say = dict(zip(world.CLASSES, named))  # the world calls them pluck, mallet, drum, ...
seen = [say[world.CLASSES[c]] for c in puzzle.object_class[0].tolist()]
print(f"It was the {seen[0]}; the {seen[1]} and the {seen[2]} were silent.")

# %% [markdown]
# ## Two pictures, four places
#
# - The picture becomes a **map** $v(p)$, a unit vector at every place $p$; the sound one unit vector $a$.
# - $S_{ij}(p) = \langle v_j(p), a_i \rangle$: how well place $p$ of picture $j$ fits sound $i$.

# %%
a = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), dim=1)  # drum, flute
angles = torch.tensor([[10.0, 80, 200, 250], [70.0, 300, 190, 220]]).deg2rad()
v = torch.stack([angles.cos(), angles.sin()], 1)[..., None, :]  # picture dim 1 place
S = torch.zeros(2, 2, 4)
for i in range(2):
    for j in range(2):
        for p in range(4):
            S[i, j, p] = a[i] @ v[j, :, 0, p]

# %% mystnb={"image": {"alt": "Two tables of similarities, one a sound, with two pictures as rows and four places as columns; each sound has one bright place in its own picture, and the drum's picture holds a bright place for the flute too"}}
assert_close(tri_maps.place_similarities(a, v), S)
fig, axes = plt.subplots(1, 2, figsize=(8, 1.9), layout="constrained")
for i, name in enumerate(("drum", "flute")):
    show.matrix(
        S[i], rows=["picture 1", "picture 2"], columns=[f"place {p}" for p in range(4)],
        ax=axes[i], title=f"sound of the {name}",
    )

# %% [markdown]
# - Picture 1 belongs to the drum. Its place 0 fits the drum, its place 1 the flute: a flute that is seen and not heard.
# - One number a pair is needed to contrast them. The **best place** asks only that the source be *somewhere*:

# %%
best = torch.tensor([[max(S[i, j].tolist()) for j in range(2)] for i in range(2)])
assert_close(S.amax(2), best)
z, own = best / 0.07, torch.arange(2)
by_hand = (F.cross_entropy(z, own) + F.cross_entropy(z.T, own)) / 2
assert_close(tri_maps.best_place_loss(S), by_hand)
print(best, f"loss {by_hand:.3f}")

# %% [markdown]
# ## Did it find the place? Overlap
#
# - Annotators box what sounds; they differ. $g(p) = \min(\sum_j b_j(p)/2, 1)$: two votes count in full.
# - A set $A$ of pixels is compared with $g$: $\mathrm{cIoU} = \sum_{p \in A} g(p) \,/\, (\sum_p g(p) + |\{p \in A: g(p) = 0\}|)$.

# %%
annotators = torch.zeros(3, 6, 6, dtype=torch.bool)
for j, (y, x) in enumerate([(1, 1), (1, 2), (2, 2)]):
    annotators[j, y : y + 3, x : x + 3] = True
g = localization.consensus_map(annotators)
found = torch.zeros(6, 6, dtype=torch.bool)
found[2:5, 3:6] = True

# %% mystnb={"image": {"alt": "Six by six table of consensus weights: 1 in the middle, one half at the rim of the boxes, 0 outside; beside it the nine pixels that were found, shifted to the right"}}
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
show.matrix(g, ax=axes[0], digits=1, title="consensus $g$")
show.matrix(found.float(), ax=axes[1], digits=0, title="found $A$");

# %%
above = below = 0.0
for y in range(6):
    for x in range(6):
        above += float(g[y, x]) * bool(found[y, x])
        below += float(g[y, x]) + bool(found[y, x] and g[y, x] == 0)
assert_close(localization.c_iou(found, g), torch.tensor(above / below))
print(f"cIoU = {above} / {below} = {above / below:.3f}")

# %% [markdown]
# ### Exercise 1: Compare a map with what annotators agree on
# ★☆☆ · 8 minutes
#
# From the annotators' masks to the number, in one function.

# %%
def consensus_iou(
    found: Bool[Tensor, "h w"], masks: Bool[Tensor, "annotator h w"]
) -> Float[Tensor, ""]:
    """cIoU of the found pixels with the annotators' consensus; two votes are enough."""
    # HINT 1: first the weights g, then the sum above the line, then the two below.
    # HINT 2: clamp_max caps a sum; found & (g == 0) are the pixels nobody boxed. Where
    # nothing is there, clamp_min below the line keeps the answer at 0.
    # BEGIN SOLUTION
    g = (masks.float().sum(0) / 2).clamp_max(1)
    false_alarms = (found & (g == 0)).sum()
    return (found * g).sum() / (g.sum() + false_alarms).clamp_min(1e-12)
    # END SOLUTION
    # ALTERNATIVE: two loops over pixels, as above.

# %%
check("localization.consensus_iou", consensus_iou)

# %% [markdown]
# ## Which pixels count as found?
#
# A map is not a set. The rule that cuts it decides the score:
#
# - the **median rule** of a released test code takes the upper half of all pixels, always. Then
#   $\mathrm{IoU} \le \alpha / 0.5$ for a box of area $\alpha$: below 25 % of the frame even the truth fails;
# - the **top-k rule** takes the $k$ largest, $k$ the mean box area of the *training* clips.
#
# Both on sixteen pixels, with an object of four, a quarter of the frame:

# %%
small = torch.tensor([[0.12, 0.21, 0.11, 0.02], [0.23, 0.90, 0.70, 0.14],
                      [0.15, 0.80, 0.30, 0.40], [0.03, 0.20, 0.10, 0.50]])
thing = torch.zeros(4, 4, dtype=torch.bool)
thing[1:3, 1:3] = True
for rule, n in (("top k", 4), ("median", 8)):
    least = sorted(small.flatten().tolist(), reverse=True)[n - 1]  # the n-th largest
    found = small >= least
    assert_close(found, localization.top_k_mask(small, n))
    both, either = int((found & thing).sum()), int((found | thing).sum())
    share = f"{both}/{either} = {both / either:.2f}"
    print(f"{rule:6s} takes all >= {least:.2f}: IoU {share}")

# %% [markdown]
# The median rule found the whole object, and stays at .5, its bound at 25 %. Now the world's test scenes; the map is the truth's own:

# %%
solo = sightings(lesson.n_solo, layout="solo", n_frames=4)
k = localization.mean_box_pixels(solo.box, 64)
truth = localizers.floor_maps("truth", test)
rules = {
    "median": localization.median_mask(truth),
    "top k": localization.top_k_mask(truth, k),
}
for name, mask in rules.items():
    print(f"{name:6s}", localizers.overlap_scores(mask, test))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Highest IoU under the median rule against box area: a line that reaches 0.5 at a quarter of the frame; a histogram of this world's boxes lies left of it, near 0.1"}}
area = torch.linspace(0.01, 0.5, 50)
boxes = test.box[:, 0, 0]
fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.plot(area, localization.median_limit(area), label="highest IoU")
sizes = (boxes[:, 2:] - boxes[:, :2]).prod(1)
share = torch.full((len(sizes),), 4 / len(sizes))
ax.hist(sizes, weights=share, bins=20, alpha=0.5, label="boxes here")
ax.axhline(0.5, color="grey", ls=":")
ax.set(xlabel="area of the box (share of the frame)", ylabel="IoU")
ax.legend();

# %% [markdown]
# - The oracle map scores 0 at .5 under the median rule. A metric that the truth fails says nothing.
# - Success at all thresholds 0, .05, ... 1 gives a curve; the area under it is the **AUC** of Table 1. On three pictures:

# %%
ious = torch.tensor([0.12, 0.33, 0.71])
rates = [sum(iou >= n / 20 for iou in ious.tolist()) / 3 for n in range(21)]
for n in (0, 2, 6, 10, 14, 20):
    print(f"cIoU of at least {n / 20:.1f}: {rates[n]:.2f} of the pictures")
under = sum((left + right) / 2 * 0.05 for left, right in zip(rates, rates[1:]))
assert_close(localization.success_auc(ious), torch.tensor(under))
print(f"AUC {under:.3f}; mean cIoU {ious.mean():.3f}; all wrong {0.5 * 0.05}")

# %% [markdown]
# At threshold 0 every picture succeeds, so who is always wrong still has .025.
#
# ## Pointing, sounding and silent
#
# The **pointing game** asks only for a map's largest value. Count also how often it falls on a *silent* object: overlap
# cannot tell "what sounds" from "a thing", this can.

# %%
hits = {"sounding": 0, "silent": 0, "background": 0}
guess = localizers.floor_maps("random true box", test)
inside = localization.box_mask(test.box[:, 0], 64)  # [clip, object, y, x]
for M, objects in zip(guess, inside):
    on = objects[:, M.argmax() // 64, M.argmax() % 64]
    kind = "sounding" if on[0] else "silent" if on.any() else "background"
    hits[kind] += 1 / len(guess)
package = localizers.pointing(guess, test)
assert abs(package["silent"] - hits["silent"]) < 1e-5
print({kind: round(share, 3) for kind, share in hits.items()})

# %%
def line(name, found):
    """One row of a table of results."""
    keys = "sounding", "silent", "background", "AUC", "cIoU@.3", "cIoU@.5"
    return f"| {name} | " + " | ".join(f"{found[key]:.2f}" for key in keys) + " |"

def table(rows):
    head = "| map | sounding | silent | background | AUC | cIoU@.3 | cIoU@.5 |"
    lines = (line(name, found) for name, found in rows.items())
    return Markdown("\n".join([head, "|---" * 7 + "|", *lines]))

guesses = {name: localizers.floor_maps(name, test) for name in localizers.FLOORS}
floors = {name: localizers.judge(maps, test, k=k) for name, maps in guesses.items()}
table(floors)

# %% [markdown]
# - "Random true box" is chance for whoever sees objects and does not listen: every result is read against it.
# - Its AUC is high, though it is wrong two times in three: when it is right, its disc fits well.
#
# ## Solo first
#
# - In scenes nothing says which object belongs to the sound. What a start on scenes costs is an arm of the table at the end.
# - In **solo** clips one object is there, and it sounds. First contrast *whole* pictures (maxima of features), then *best places*.
# - No label is read. Colour channels are mixed up at random: a room's colour would betray the clip.

# %%
model = localizers.new_localizer(lesson.seed, lesson.device)
x_a, x_v = solo.log_mel[:2].to(lesson.device), solo.frames[:2, 0].to(lesson.device)
f_a, g_v = model(x_a, x_v)
print("sounds", tuple(f_a.shape), "maps", tuple(g_v.shape))
print("weights", sum(p.numel() for p in model.parameters()))

# %%
data = {"seed": lesson.seed, "device": lesson.device}
first = localizers.train_stage(
    model, localizers.whole_loss, solo, steps=lesson.warm[0], lr=3e-3, **data
)
x_a, x_v = test.log_mel, test.frames[:, 0]
stages = {"whole pictures": localizers.heat_maps(model, x_a, x_v)}
best_place = localizers.place_loss(tri_maps.best_place_loss)
second = localizers.train_stage(model, best_place, solo, steps=lesson.warm[1], **data)
stages["best place"] = localizers.heat_maps(model, x_a, x_v)

# %% tags=["hide-input"] mystnb={"image": {"alt": "Loss of both stages against steps: the first falls from about 4 to below 2, the second starts above and falls to the same level"}}
fig, ax = plt.subplots(figsize=(6.5, 2.4), layout="constrained")
for name, record, begin in zip(stages, (first, second), (0, lesson.warm[0])):
    steps = range(begin, begin + len(record.losses))
    ax.plot(steps, record.losses, lw=0.8, label=name)
guessing = torch.tensor(48.0).log()
ax.axhline(guessing, color="grey", ls=":", label="nothing told apart: ln 48")
ax.set(xlabel="step", ylabel="loss")
ax.legend();

# %%
other = wrong_partners(test.label)
wrong = localizers.heat_maps(model, x_a[other], x_v)
rows = {name: localizers.judge(maps, test, k=k) for name, maps in stages.items()}
rows["best place, wrong partner"] = localizers.judge(wrong, test, k=k)
bounds = {name: floors[name] for name in ("random true box", "truth")}
table(rows | bounds)

# %% [markdown]
# - After the first stage the network tells pairs apart (look at its loss), and points no better than a guess; the second turns
#   *what* into *where*.
#
# ## The hard way
#
# - Chen et al. (2021): the background *of the same picture* is a negative too. A place is bright (above $\epsilon_p$), dark
#   (below $\epsilon_n$), or in between: then it is left alone. Three zones: a **tri-map**, with soft edges.

# %% mystnb={"image": {"alt": "Weights against similarity: the bright weight rises around 0.4, the dark one falls around 0.1, between them a valley where neither is large"}}
s = torch.linspace(-0.5, 1, 200)
fig, ax = plt.subplots(figsize=(6, 2.3), layout="constrained")
ax.plot(s, torch.sigmoid((s - 0.4) / 0.1), label="bright, $\\epsilon_p = 0.4$")
ax.plot(s, 1 - torch.sigmoid((s - 0.1) / 0.1), "--", label="dark, $\\epsilon_n = 0.1$")
ax.set(xlabel="similarity $S(p)$", ylabel="weight")
ax.legend();

# %% [markdown]
# - $P_i$ = mean of the own picture's bright places, $N_{ij}$ = the same in other pictures, $H_i$ = mean of its own dark places:
#
# $$L = -\frac1B \sum_i \ln \frac{e^{P_i/\tau}}{e^{P_i/\tau} + \sum_{j \ne i} e^{N_{ij}/\tau} + e^{H_i/\tau}}$$

# %%
def weighted(s, w):
    return (w * s).sum() / w.sum()

bright = lambda s: torch.sigmoid((s - 0.4) / 0.1)
dark = lambda s: 1 - torch.sigmoid((s - 0.1) / 0.1)
P = torch.zeros(2, 2)
for i in range(2):
    for j in range(2):
        P[i, j] = weighted(S[i, j], bright(S[i, j]))
H = torch.tensor([weighted(S[i, i], dark(S[i, i])) for i in range(2)])
loss = F.cross_entropy(torch.cat([P, H[:, None]], 1) / 0.07, torch.arange(2))
assert_close(tri_maps.tri_map_loss(S, high=0.4, low=0.1, softness=0.1), loss)
print(f"bright means {P.tolist()}\ndark means {H.tolist()}\nloss {loss:.4f}")

# %% [markdown]
# ## A millionth that brakes training
#
# The paper's thresholds, .65 and .4 with $\tau = .03$, suit a pretrained network. A fresh one has $S \approx 0$: all bright weights
# are near $10^{-9}$. Add an innocent `1e-6` to the denominator, and look at the gradient, for three fresh networks:

# %%
def with_eps(S, eps=1e-6):
    m = ((S - 0.65) / 0.03).sigmoid()
    P = (m * S).sum(2) / (m.sum(2) + eps)
    return F.cross_entropy(P / 0.07, torch.arange(len(S)))

def slope(loss, S):
    return torch.autograd.grad(loss(S), S)[0].norm()

# %%
for seed in (0, 1, 2):
    draw = torch.Generator().manual_seed(seed)
    S0 = (0.02 * torch.randn(32, 32, 256, generator=draw)).requires_grad_()
    print(f"seed {seed}: loss with eps {with_eps(S0):.3f}, ln 32 = 3.466")
    with_it, without = (slope(f, S0) for f in (with_eps, tri_maps.bright_place_loss))
    print(f"        slope {with_it:.1e}, without eps {without:.1e}")

# %% [markdown]
# The slope is about a seventh of what it is without; the fainter the weights, the less is left.
#
# ### Exercise 2: Average the bright places, however faint
# ★★☆ · 12 minutes
#
# All weights of a row may be so small that they round to 0.

# %%
def bright_mean(
    S: Float[Tensor, "picture place"], threshold: float, softness: float
) -> Float[Tensor, "picture"]:
    """Mean of each row, weights sigmoid((S - threshold) / softness) however small."""
    # HINT 1: only ratios of weights matter: a common factor of a row may be anything.
    # HINT 2: keep logarithms of weights. Which function turns logarithms into shares
    # that sum to 1?
    # BEGIN SOLUTION
    log_m = F.logsigmoid((S - threshold) / softness)
    return (log_m.softmax(1) * S).sum(1)
    # END SOLUTION
    # ALTERNATIVE: divide all weights of a row by the largest, as logarithms.

# %%
check("localization.bright_mean", bright_mean)

# %% [markdown]
# ## Three heads on scenes, three seeds
#
# Same start, same steps, on scenes with silent objects: best place, tri-map, and a tri-map whose thresholds are quantiles of each
# map, so that the brightest tenth of any map counts as positive.
#
# - Each seed brings other scenes of other individuals, and other batches. The start is shared: what a warm-up's luck
#   adds is not in these intervals.
# - Three questions, asked before the runs: do wrong partners point worse? Does the tri-map point better than the best place?
#   Do quantiles raise the AUC?

# %%
start = {name: x.clone() for name, x in model.state_dict().items()}

def train_head(name, seed):
    head = localizers.new_localizer(seed, lesson.device)
    head.load_state_dict(start)
    scenes = sightings(lesson.n_scenes, n_frames=4, seed=seed)
    loss = localizers.place_loss(chen2021.HEADS[name])
    how = {"steps": lesson.steps, "seed": seed, "lr": 1e-3, "device": lesson.device}
    localizers.train_stage(head, loss, scenes, **how)
    return head

# %%
runs = {}
for name in ("best place", "tri-map", "quantiles"):
    for seed in (0, 1, 2):
        head = train_head(name, seed)
        for words, sounds in ((name, x_a), (f"{name}, wrong partner", x_a[other])):
            maps = localizers.heat_maps(head, sounds, x_v)
            found = localizers.judge(maps, test, k=k)
            runs.setdefault(words, []).append(found)

# %%
rows = {}
for name, found in runs.items():
    rows[name] = {key: sum(one[key] for one in found) / 3 for key in found[0]}
rows |= {name: floors[name] for name in ("centre", "random true box", "truth")}
table(rows)

# %% [markdown]
# Means of three seeds. Now the intervals, and the three answers by code:

# %% mystnb={"image": {"alt": "Bars with intervals of pointing at the sounding object for three heads with right and wrong partners: right partners well above the line of chance, wrong ones below it"}}
pointed = {name: [one["sounding"] for one in found] for name, found in runs.items()}
show.bars(
    pointed, metric="pointing at the sounding object",
    chance=floors["random true box"]["sounding"], ceiling=1.0,
);

# %%
def verdict(x, y, key):
    """Paired difference of two heads over the same seeds, in words."""
    d = paired_difference(*([one[key] for one in runs[name]] for name in (x, y)))
    word = "higher" if d.low > 0 else "lower" if d.high < 0 else "no difference shown"
    print(f"{key}, {x} less {y}: {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f}), {word}")

verdict("tri-map", "tri-map, wrong partner", "sounding")
verdict("tri-map", "best place", "sounding")
verdict("quantiles", "tri-map", "AUC")
before = localizers.pointing(stages["best place"], test)["sounding"]
print(f"the start, before any scene: {before:.2f}")

# %% [markdown]
# - Wrong partners take pointing below chance: the map follows the foreign sound, onto a silent object more often than not.
# - Between heads read the verdicts, not the means; and read the start beside them: a few steps on scenes need not help.
# - Compare AUC and *silent* of the quantile head. A quantile marks something in every map, heard or not.
# - Compare every AUC with that of the blob in the centre: these maps find *where*, hardly *how large*.
#
# ## Load a trained one, and watch it listen
#
# A committed command trained the tri-map at the size of the table below; its weights ship, so that any budget can watch it.

# %%
long, made = train_localizer.stored()
print(made["command"])
print(made["steps"], "steps,", made["processor_s"], "processor seconds")
table({name: made[name] for name in ("right partners", "wrong partners")} | bounds)

# %% tags=["hide-input"]
def lit(i, sound, caption):
    """Play clip i with the sound of another; what fits it is in colour."""
    clips = world.load([int(test.index[i])], size_px=128, **where)
    heard = world.load([int(test.index[sound])], size_px=16, **where)
    small = world.load([int(test.index[i])], size_px=64, **where).frames[0]
    maps = localizers.heat_maps(long, x_a[[sound] * len(small)], small, side=128)
    light = ((maps - 0.05) / 0.3).clamp(0, 1)[None, :, None]
    amber = torch.tensor([255.0, 190, 0])[:, None, None]
    pale = 110 + 0.5 * clips.frames.float().mean(2, keepdim=True)
    frames = light * (0.7 * clips.frames + 0.3 * amber) + (1 - light) * pale
    seen = replace(clips, frames=frames.to(torch.uint8), waveform=heard.waveform)
    return show.clip(seen, caption=caption)

# %%
maps = localizers.heat_maps(long, x_a, x_v)
right = localization.pointed_objects(maps, test.box[:, 0])[:, 0]
i = int(right.nonzero()[0]) if right.any() else 0
heard = named[test.label[i]]
lit(i, i, f"The {heard} sounds; in colour, where the network places that sound")

# %% [markdown]
# Now the same film with another voice: the sound of a clip whose source is of the class of a *silent* object here.

# %%
silent = int(test.object_class[i, 1])
donors = (test.label == silent).nonzero()[:, 0]
caption = f"The same film with the sound of a {named[silent]}: does the colour move?"
lit(i, int(donors[0]), caption)

# %% [markdown]
# ## Turn a knob
#
# How many pixels count as found? One scene, the rule's $k$ against the overlap.

# %%
def cut(k, scene):
    found = localization.top_k_mask(maps[scene], k)
    truth = localization.box_mask(test.box[scene, 0, 0], 64)
    iou = localization.c_iou(found, truth.float())
    fig, ax = plt.subplots(figsize=(2.6, 2.8), layout="constrained")
    ax.imshow(test.frames[scene, 0].permute(1, 2, 0))
    ax.contour(found, [0.5], colors="white", linewidths=2)
    x0, y0, x1, y1 = (test.box[scene, 0, 0] * 64).tolist()
    ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="orange", lw=2))
    ax.set(title=f"k = {k}: IoU {iou:.2f}", xticks=[], yticks=[])
    return fig, ax

# %%
show.explore(
    cut, {"k": [50, 400, 800, 2048], "scene": [i, i + 1]},
    default={"k": 400, "scene": i},
    caption="White: found. Orange: the true box. 2048 of 4096 is the median rule: half "
    "of the picture, whatever the map says.",
    alt="A scene, the found pixels outlined in white, the true box in orange; the more "
    "pixels count as found, the further the outline leaves the box.",
)

# %% [markdown]
# ## From maps to a detector
#
# - Afouras et al. (2021): cut a **box** out of each map, give each clip a **pseudo class**, and train a detector on pictures alone.
#   It needs no sound any more, and finds silent objects too.
# - Box: the piece around the peak above $\beta \max S + (1 - \beta)\, \mathrm{mean}\, S$; one threshold for all maps would not do.

# %% mystnb={"image": {"alt": "Six by six map with one bright blob of four pixels and a faint one elsewhere; the box around the bright blob is drawn"}}
tiny = torch.zeros(6, 6)
tiny[1:3, 2:4], tiny[4, 0] = torch.tensor([[0.9, 0.7], [0.8, 0.6]]), 0.3
box = heat_box(tiny)
fig, ax = plt.subplots(figsize=(3.6, 3), layout="constrained")
show.matrix(tiny, ax=ax, digits=1, title=f"above {0.5 * 0.9 + 0.5 * tiny.mean():.2f}")
x0, y0, x1, y1 = (box * 6 - 0.5).tolist()
ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="orange", lw=3));

# %% [markdown]
# - Pseudo classes: clusters of (sound, best place), with **marginals**: each cluster gets as many clips (Sinkhorn). Without, one could
#   take all:

# %%
scores = torch.tensor([[0.9, 0.5], [0.8, 0.5], [0.7, 0.6], [0.9, 0.2]])
print("nearest ", scores.argmax(1).tolist())
shared = balanced_assignment(scores)
print("balanced", shared.argmax(1).tolist(), "columns sum to", shared.sum(0).tolist())

# %%
how = {"k": 8, "balanced": True, "seed": lesson.seed}
boxes, pseudo, centres = afouras2021.pseudo_labels(model, solo, **how)
teach = solo.frames, boxes, pseudo, 8
how = {"steps": lesson.detector_steps, "seed": lesson.seed, "device": lesson.device}
detector = afouras2021.train_detector(*teach, start=model, **how)
found = detect(detector, test.frames[:, 0])
print(f"{len(found[0])} boxes in {len(test)} pictures; {3 * len(test)} objects there")

# %% [markdown]
# ## mAP at IoU .5, by hand
#
# One picture, four objects of one class, four boxes drawn. First, how far do two boxes overlap?

# %%
def overlap(a, b):
    """IoU of two boxes (x0, y0, x1, y1)."""
    wide = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)]
    return wide * high / (sum(areas) - wide * high)

there = [(0, 0, 4, 4), (6, 0, 10, 4), (0, 6, 4, 10), (6, 6, 10, 10)]
drawn = [(0, 0, 4, 5), (0, 0, 4, 3), (6, 1, 10, 4), (1, 6, 4, 10)]
sure = [0.9, 0.8, 0.7, 0.6]

# %% [markdown]
# Surest first, each box turns to the true box it overlaps most. It is right by .5 or more, if nobody surer took that box: a
# second box of one object is a miss.

# %%
taken, right = set(), []
for score, box in sorted(zip(sure, drawn), reverse=True):
    ious = [overlap(box, true) for true in there]
    best = ious.index(max(ious))
    hit = ious[best] >= 0.5 and best not in taken
    taken, right = taken | {best} if hit else taken, [*right, int(hit)]
    word = "right" if hit else "miss, taken" if best in taken else "miss, too far"
    print(f"sure {score}: overlaps object {best} by {ious[best]:.2f}, {word}")

# %%
places = torch.tensor(drawn).float(), torch.tensor(there).float()
zeros = torch.zeros(4, dtype=torch.long)  # all in picture 0
claims = detection.match_detections(
    places[0], torch.tensor(sure), zeros, places[1], zeros
)
assert (claims >= 0).int().tolist() == right

# %% [markdown]
# Precision is read at every right one, and made to fall; what nobody found (object 3) counts as 0.

# %%
precision = [sum(right[: n + 1]) / (n + 1) for n in range(4)]
falling = [max(precision[n:]) for n in range(4)]
n_true = len(there)
ap = sum(p for p, hit in zip(falling, right) if hit) / n_true
print([round(p, 2) for p in precision], [round(p, 2) for p in falling], f"AP {ap:.4f}")
package = detection.average_precision(torch.tensor(right), torch.tensor(sure), n_true)
assert_close(package, torch.tensor(ap))

# %% [markdown]
# ### Exercise 3: Turn matched boxes into an average precision
# ★★☆ · 12 minutes
#
# Detections come in any order.

# %%
def average_precision(
    right: Int[Tensor, "n"], scores: Float[Tensor, "n"], n_true: int
) -> Float[Tensor, ""]:
    """Sum of falling precision at right detections, over all true boxes."""
    # HINT 1: sort, count how many are right so far, then let precision fall.
    # HINT 2: cumsum gives counts. The largest value from here to the end is a running
    # maximum of the reversed list.
    # BEGIN SOLUTION
    hit = right[scores.argsort(descending=True, stable=True)].float()
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    falling = precision.flip(0).cummax(0).values.flip(0)
    return (falling * hit).sum() / n_true
    # END SOLUTION
    # ALTERNATIVE: a loop over right detections with a maximum over what follows.

# %%
check("localization.average_precision", average_precision)

# %%
names = torch.randint(8, found[2].shape, generator=torch.Generator().manual_seed(0))
results = {
    "detector": found, "chance: classes drawn": (*found[:2], names, found[3]),
    "judged on the next picture": (*found[:3], (found[3] + 1) % len(test)),
}
for name, boxes in results.items():
    print(f"{name:33s} mAP {afouras2021.score_boxes(boxes, test, 8):.3f}")
boxes, classes, pictures = truth = afouras2021.truth_of(test)
ious = detection.box_iou(found[0], boxes) * (found[3][:, None] == pictures)
named_right = *found[:2], classes[ious.argmax(1)], found[3]
ceiling = detection.detection_map(*named_right, *truth)[0]
print(f"{'oracle: its boxes, true classes':33s} mAP {ceiling:.3f}; the truth has 1")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four scenes of three objects each, with coloured boxes that the detector drew without sound: most objects are boxed, some several times"}}
fig, axes = plt.subplots(1, 4, figsize=(9, 2.4), layout="constrained")
for n, ax in enumerate(axes):
    ax.imshow(test.frames[n, 0].permute(1, 2, 0))
    ax.set(xticks=[], yticks=[])
    for row in (found[3] == n).nonzero()[:, 0].tolist():
        x0, y0, x1, y1 = (found[0][row] * 64).tolist()
        look = {"fill": False, "ec": f"C{int(found[2][row])}", "lw": 2}
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, **look))

# %% [markdown]
# - Clusters have numbers, not names: they are matched to classes on the *test side*, one to one (Hungarian), only to be scored.
# - The oracle gives each box the class of the object it overlaps most: what is still missing is a matter of boxes. The ceiling
#   of the row below is another: the same detector, taught by true boxes and classes.
#
# ## Components, and a curriculum
#
# Hu et al. (2020) cluster each map into a few **components** (soft K-means, through which a gradient passes) and draw the sound
# to the nearest. Four places, two components:

# %%
h = torch.tensor([[[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [-0.1, 1.0]]])
h = F.normalize(h, dim=2)
centres, belongs = soft_k_means(h, 2)
print("centres", centres[0].round(decimals=2).tolist())
print("belongs", belongs[0].round(decimals=2).tolist())

# %% [markdown]
# $d_{ij} = \min_k \|a_i - c_{jk}\|$: how far sound $i$ lies from the nearest component of picture $j$. Own pairs are drawn together,
# others pushed a margin $m$ apart:
#
# $$L = \tfrac12 \operatorname{mean}_i d_{ii}^2 + \tfrac12 \operatorname{mean}_{i \ne j} [m - d_{ij}]_+^2$$

# %%
a = torch.tensor([[0.8, 0.6], [0.0, -1.0]])  # two sounds
c = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, -1.0], [0.6, 0.8]]])  # [picture, k]
d, m = torch.zeros(2, 2), hu2020.MARGIN
for i_a in range(2):
    for j in range(2):
        d[i_a, j] = min(float((a[i_a] - c[j, k_]).norm()) for k_ in range(2))
own = (d[0, 0] ** 2 + d[1, 1] ** 2) / 2
others = (max(m - d[0, 1], 0) ** 2 + max(m - d[1, 0], 0) ** 2) / 2
assert_close(hu2020.component_distances(a, c), d, atol=2e-3, rtol=0)
assert_close(hu2020.component_loss(d), own / 2 + others / 2)
print(d.round(decimals=2).tolist(), f"margin {m}, loss {own / 2 + others / 2:.3f}")

# %% [markdown]
# - Sound 0 lies nearer to a silent object of picture 1 than to its own: both terms pay. Sound 1 pays nothing.
# - The **curriculum**: clips of one source first (2 components), then scenes (4). A short run from the start above, one seed:

# %%
head = localizers.new_localizer(lesson.seed, lesson.device)
head.load_state_dict(start)
scenes = sightings(lesson.n_scenes, n_frames=4, seed=lesson.seed)
how = data | {"steps": lesson.steps // 2, "lr": 1e-3}
for clips, n in ((solo, 2), (scenes, 4)):
    localizers.train_stage(head, hu2020.loss_of(n), clips, **how)

# %%
rows = {}
for name, sounds in (("components", x_a), ("components, wrong partner", x_a[other])):
    maps = hu2020.component_maps(head, sounds, x_v)
    rows[name] = localizers.judge(maps, test, k=k)
table(rows | bounds)

# %% [markdown]
# - A component is an area, not a peak: compare cIoU@.3 with the heads above.
# - What it costs to start on scenes, with as many steps, is the claim of this system's row below.

# %% [markdown]
# ## The rows of Table 1
#
# As the table's runner measured the systems, three seeds each, full size (the runs above are shorter). Claims are judged by code.

# %%
from avcl_teach.table1.stored import lesson_rows

Markdown(lesson_rows("34"))

# %% [markdown]
# > **As printed, Table 1:** Chen 2021: AUC 0.573 / 0.590 on Flickr-SoundNet / VGG-SS. Hu 2020: AUC 49.2. Afouras 2021: supervised,
# > cross-modal retrieval, mAP@50.
# >
# > **What is meant:** both of Chen's values are AUCs on Flickr-SoundNet, after two trainings (from memory; VGG-SS is 0.382). 49.2 is in
# > percent, 0.573 is not. mAP@50 is AP at IoU .5, of a detector learned without labels.

# %% [markdown]
# ### Exercise 4 (open-ended): Two sources at once
# ★★★ · 30 minutes
#
# Render scenes with `n_sounding=(2, 2), n_silent=(1, 1)`. Point at both sources with the shipped localizer. What fails first, the sound
# (one vector for two sources) or the map?
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | Metric | one peak | two peaks | two peaks, silent counted apart |
# | Change | none | in the sound or the map | both, alone and together |
# | Controls | none | chance | random true boxes, wrong partner, truth |
# | Seeds | one | three | three, with interval and verdict |
# | Choice of settings | on test | on training | on a validation split |

# %% [markdown]
# ## Recap
#
# - A map of unit vectors and one sound: every place is compared; what is pooled decides what is learned.
# - Solo clips first: then *what* is known, and *where* follows. Thresholds must lie in the range of one's own similarities.
# - An eps in a denominator that starts near 0 takes most of the slope. Keep logarithms.
# - Overlap alone rewards finding *things*. Print pointing on sounding **and** silent, wrong partners, and the rule that cuts the map.
# - A localizer can teach a detector that no longer needs sound.

# %% [markdown]
# **Rows of Table 1 that build on this:** Chen 2021, Afouras 2021, Hu 2020. (Lin & Wang 2020, Duan 2021 and Ramaswamy 2020 localize in
# *time*: lesson 33.)
#
# **To read:** Chen et al. (2021), the hard way; Afouras et al. (2021), from localization to detection; Hu et al. (2020), the
# curriculum; Vilaça et al. (2022), section 3.3.
