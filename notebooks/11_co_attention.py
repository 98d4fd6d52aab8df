# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Co-attention
#
# You will have built attention that goes both ways between sound and picture, and asked what its maps really show.
#
# > **Time:** 50 minutes, and 45 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 70 s with 0.8 GB of memory\
# > **Survey:** section 3.1, attention i and ii. **Needs:** lesson 10

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("11")

# %%
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from avcl_teach import clips, comparison, encoders, show, training, world
from avcl_teach.comparison import verdicts
from avcl_teach.exercises import check
from avcl_teach.metrics.maps import covered_share, mass_inside, pointing_accuracy

# %% [markdown]
# ## When do they agree?
#
# Two seconds, eight segments of a quarter second. In some of them you hear what you see; in others sound and picture go
# their own ways. Watch and listen: in which segments do they match?

# %%
data = comparison.world_segments(lesson.n_train, lesson.n_test)
kinds = [len(set(e.tolist()) & {1, 3, 4}) for e in data.test.event]
row = max(range(len(kinds)), key=lambda i: kinds[i])  # one with much disagreement
where = {"preset": "easy", "split": "test", "layout": "event", "size_px": 128}
shown = world.render(data.test.index[row : row + 1].tolist(), **where)
show.clip(shown, caption="Things are heard and seen, not always the same ones.")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Eight frames of the clip in a row; above each frame what is heard, below it what is seen and the state of the segment"}}
names = (*data.class_names, "nothing")
fig, axes = plt.subplots(1, 8, figsize=(9, 1.9), layout="constrained")
for t, ax in enumerate(axes):
    ax.imshow(shown.frames[0, 2 * t].permute(1, 2, 0))
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"hear: {names[data.test.heard[row, t]]}", fontsize=8)
    state = clips.EVENT_STATES[data.test.event[row, t]]
    ax.set_xlabel(f"see: {names[data.test.viewed[row, t]]}\n{state}", fontsize=8)

# %% [markdown]
# - The task of this lesson: name the class in segments that **match**, say "none" in all others.
# - Neither ear nor eye can do it alone, whatever network they get. How far can they come, with perfect knowledge of what is
#   heard, or of what is seen?

# %%
test = data.test
target = torch.where(test.event == 4, test.event_label, data.n_classes)  # 8 = none
majority = (test.event != 4).float().mean()
ears = ((test.event == 4) | (test.heard < 0)).float().mean()  # bet on a match
eyes = ((test.event == 4) | (test.viewed < 0)).float().mean()
print(f"none {majority:.3f}; perfect ears {ears:.3f}, perfect eyes {eyes:.3f}")

# %% [markdown]
# By the world's shares both bounds are 0.65; a sample of clips strays from it.
#
# ## Each looks at the other
#
# Three sounds and two pictures, described by how *hit* and how *blown* they are. Co-attention reads one table of scores twice:
# along its rows (where does a sound look?) and along its columns (to what does a picture listen?).
#
# $$S = \frac{a v^\top}{\sqrt d}, \qquad a' = a + \mathrm{softmax}_v(S)\, v, \qquad v' = v + \mathrm{softmax}_a(S)^\top a$$

# %% mystnb={"image": {"alt": "Three small tables: scores; their softmax along rows, each row sums to 1; their softmax along columns, each column sums to 1"}}
a = torch.tensor([[3.0, 0.0], [0.0, 3.0], [0.0, 0.0]])  # sounds: hit, blown, hushed
v = torch.tensor([[2.0, 0.0], [0.0, 2.0]])  # pictures: drum, flute
sounds, pictures = ("hit", "blown", "hushed"), ("drum", "flute")
S = a @ v.T / math.sqrt(2)  # [sound, picture]
fig, axes = plt.subplots(1, 3, figsize=(9, 2.2), layout="constrained")
tables = {"scores S": S, "a looks at v": S.softmax(1), "v looks at a": S.softmax(0)}
for ax, (title, M) in zip(axes, tables.items()):
    show.matrix(M, rows=sounds, columns=pictures, ax=ax, title=title)

# %%
new_a = []
for i in range(3):
    weights = torch.stack([a[i] @ v[j] for j in range(2)]).div(2**0.5).softmax(0)
    seen = weights[0] * v[0] + weights[1] * v[1]
    new_a.append(a[i] + seen)
    print(f"{sounds[i]:7s} {a[i].tolist()} saw", [round(x, 2) for x in seen.tolist()])
new_a = torch.stack(new_a)
assert_close(new_a, a + S.softmax(1) @ v)  # vectorised
both = encoders.co_attend(a[None], v[None])  # the package: fused, S never stored
assert_close(both[0][0], new_a)
assert_close(both[1][0], v + S.T.softmax(1) @ a)

# %% [markdown]
# - The hushed sound agrees with nothing, so it looks at both alike.
# - $a + \dots$ is the **residual**: "adding missing relevant information from one modality to another" (the survey). Without
#   it $a'$ is made of pictures only, and the sound survives as nothing but weights.
#
# ### Exercise 1: Let two sequences look at each other
# ★☆☆ · 8 minutes
#
# One sequence of sounds, one of pictures, of different length; both outputs.

# %%
def look_at_each_other(
    a: Float[Tensor, "n_a d"], v: Float[Tensor, "n_v d"]
) -> tuple[Float[Tensor, "n_a d"], Float[Tensor, "n_v d"]]:
    """Return a plus what it sees in v, and v plus what it hears in a."""
    # HINT 1: one table of scores; the softmax runs over whatever is looked at.
    # HINT 2: the second output is the first with the roles swapped: start from S.T, and
    # from the a that came in.
    # BEGIN SOLUTION
    S = a @ v.T / a.shape[1] ** 0.5
    return a + S.softmax(1) @ v, v + S.T.softmax(1) @ a
    # END SOLUTION
    # ALTERNATIVE: twice F.scaled_dot_product_attention, which never stores the table.

# %%
check("co_attention.look_at_each_other", look_at_each_other)

# %% [markdown]
# ## With weights
#
# `CoAttention` gives each direction its own projections and heads: two multi-head attentions, and the residual. With
# identity for all weights it is the formula above.

# %%
co = encoders.CoAttention(2, 1)
with torch.no_grad():
    for look in (co.to_a, co.to_v):
        look.in_proj_weight.copy_(torch.eye(2).repeat(3, 1))
        look.out_proj.weight.copy_(torch.eye(2))
assert_close(co(a[None], v[None])[0][0], new_a)

peers = [nn.MultiheadAttention(32, 4, batch_first=True) for _ in range(2)]
co = encoders.CoAttention(32, 4)
for look, peer in zip((co.to_a, co.to_v), peers):
    look.load_state_dict(peer.state_dict())
x, z = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
assert_close(co(x, z)[0], x + peers[0](x, z, z)[0])

# %% [markdown]
# ## Many pairs
#
# - Three sequences or more: one attention for each ordered pair, $m(m-1)$ of them (`ManyCoAttention`).
# - Or many *chunks*: **ANTS** (Zheng et al. 2021b) scores all pairs of chunks of two views in one table
#   $A = \tanh(z_1 W z_2^\top)$, and lets it decide how much each chunk counts.
#
# In the next toy each view has six chunks, one of which tells the class. Which one differs from item to item.

# %%
def two_views(n, seed):
    g, fixed = (torch.Generator().manual_seed(k) for k in (seed, 99))
    y, views = torch.randint(4, (n,), generator=g), []
    shared = torch.eye(4)[y] + 0.3 * torch.randn(n, 4, generator=g)
    for bend in (torch.tanh, torch.sigmoid):
        told = bend(shared @ torch.randn(4, 8, generator=fixed))
        told = (told - told.mean(0)) / told.std() + 0.3 * torch.randn(n, 8, generator=g)
        z, at = torch.randn(n, 6, 8, generator=g), torch.randint(6, (n,), generator=g)
        z[torch.arange(n), at] = told  # the others stay noise, as large as this one
        views += [z, at]
    return *views, y

# %%
class FromChunks(nn.Module):
    def __init__(self, attend):
        super().__init__()
        self.attend, self.co = attend, encoders.ChunkCoAttention(8, 8)
        self.head = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, z_1, z_2):
        c_1, c_2, s_1, s_2 = self.co(z_1, z_2)
        if not self.attend:
            c_1, c_2 = z_1.mean(1), z_2.mean(1)
        return self.head(torch.cat([c_1, c_2], 1)), s_1, s_2

# %%
def from_chunks(attend, seed):
    torch.manual_seed(seed)
    net, (z_1, _, z_2, _, y) = FromChunks(attend), two_views(2048, 0)
    loss = lambda net, batch: F.cross_entropy(net(*batch[:2])[0], batch[2])
    training.fit(net, loss, (z_1, z_2, y), steps=lesson.chunk_steps, batch_size=64,
                 lr=1e-2, seed=seed, device=lesson.device, progress=False)
    z_1, at, z_2, _, y = two_views(512, 1)
    with torch.no_grad():
        p, s_1, _ = (x.cpu() for x in net(z_1.to(lesson.device), z_2.to(lesson.device)))
    return (p.argmax(1) == y).float().mean(), s_1[torch.arange(512), at].mean()

# %% mystnb={"image": {"alt": "Two panels of bars: accuracy is higher with co-attention than with the mean of chunks; the weight on the chunk that tells is above one sixth with co-attention"}}
chunks = {name: [from_chunks(name == "co-attention", s) for s in lesson.seeds]
          for name in ("co-attention", "mean of chunks")}
fig, axes = plt.subplots(1, 2, figsize=(9, 1.7), layout="constrained")
found = {name: [x[0].item() for x in runs] for name, runs in chunks.items()}
show.bars(found, metric="accuracy", chance=1 / 4, ax=axes[0])
weight = {"co-attention": [x[1].item() for x in chunks["co-attention"]]}
show.bars(weight, metric="weight of the telling chunk", chance=1 / 6, ax=axes[1])

def verdict(x, y):
    d = verdicts.paired_difference(x, y)
    word = ("no difference shown", "higher", "lower")[(d.low > 0) - (d.high < 0)]
    return f"{d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f}): {word}"

print("co-attention less mean:", verdict(*found.values()))

# %% [markdown]
# ## What may be looked at
#
# A context need not be the other sequence as it is. Three ways the survey names:
#
# | context | here | source |
# |---|---|---|
# | several scales | `several_scales`: means over 1, 2, 4 steps | see below |
# | other time steps | a window of $\pm w$ steps | Ma et al. (2020b), Lin and Wang (2020) |
# | image regions | keys are regions, not frames | Lin and Wang (2020) |
#
# > **As printed:** context "at multiple scales (i.e., different framerates) [Wu *et al.*, 2019]". That reference is UniVSE:
# > still images and captions; no frame rate, no sound.
#
# > **What is meant:** the idea stands without it. Probably another Wu 2019 was (one on audio-visual events).

# %%
x = torch.arange(6.0).view(1, 6, 1)  # six steps, one number each
there = torch.tensor([[True] * 5 + [False]])  # the last one is padding
context, mask = encoders.several_scales(x, factors=(1, 2, 4), present=there)
for value, seen in zip(context.flatten().tolist(), mask.flatten().tolist()):
    print(f"{value:.1f}" if seen else "(nothing)", end="  ")

# %% [markdown]
# Lin and Wang's audio-visual transformer lets each sound query *all regions of its own and of neighbouring pictures*:
# $K_t = \{v_{t'r} : |t' - t| \le w\}$, one softmax over all of them. At the ends of a clip fewer steps are in reach; zeros put there
# instead would get attention too.
#
# ### Exercise 2: Say which regions are in reach
# ★★☆ · 8 minutes
#
# Keys run step by step: all regions of step 0, then all of step 1. True = may look.

# %%
def regions_in_reach(
    n_steps: int, n_regions: int, window: int
) -> Bool[Tensor, "step key"]:
    """True where step t may look at a key: a region at most `window` steps away."""
    # HINT 1: first a table of steps against steps; then each column becomes n_regions.
    # HINT 2: repeat and repeat_interleave do two different things; one keeps the
    # regions of a step together.
    # BEGIN SOLUTION
    step = torch.arange(n_steps)
    near = (step[:, None] - step).abs() <= window
    return near.repeat_interleave(n_regions, dim=1)
    # END SOLUTION
    # ALTERNATIVE: the step of key k is k // n_regions.

# %%
check("co_attention.regions_in_reach", regions_in_reach)

# %% mystnb={"image": {"alt": "Two masks of four steps against sixteen keys: with window 0 a staircase of single blocks, with window 1 a band of up to three blocks"}}
a_seq, v_seq = torch.randn(2, 4, 8), torch.randn(2, 4, 4, 8)
fig, axes = plt.subplots(1, 2, figsize=(9, 1.6), layout="constrained")
for ax, w in zip(axes, (0, 1)):
    mask = encoders.region_window_mask(4, 4, past=w, future=w)
    ax.imshow(mask, aspect="auto")
    ax.set(title=f"w = {w}", ylabel="step", xlabel="key, 4 a step", yticks=range(4))
look = encoders.RegionAttention(8, 2, window=1)
seen = look.look(a_seq, v_seq.flatten(1, 2), mask=mask)
assert_close(look(a_seq, v_seq), a_seq + seen)
print("maps", list(look.maps(a_seq, v_seq).shape), "= batch, step, seen step, region")

# %% [markdown]
# ## Fuse first, then look back
#
# **Duan et al. (2021)** let each modality look at the *joint* code of both, then fuse again, and so on, with one shared unit:
#
# $$J = W[a; v], \quad C = \tanh\!\Big(\frac{m W_m J^\top}{\sqrt d}\Big), \quad m \leftarrow m + W_3\, \mathrm{relu}(W_1 m + W_2 \tfrac1n C J), \quad m \in \{a, v\}$$
#
# (Rebuilt from the paper's idea, so that it fits sequences of any length.) A tanh is no softmax: a weight may be negative.
#
# ### Exercise 3: Take one round with the joint code
# ★★☆ · 10 minutes
#
# The core of it: without $W_1, W_2, W_3$ and the relu.

# %%
def joint_round(
    m: Float[Tensor, "n d"], J: Float[Tensor, "n d"], W: Float[Tensor, "d d"]
) -> Float[Tensor, "n d"]:
    """Return m + C J / n with C = tanh(m W J^T / sqrt(d))."""
    # HINT 1: C is a table, step of m against step of J.
    # HINT 2: the mean is over the n steps of J; the root is over d.
    # BEGIN SOLUTION
    n, d = m.shape
    C = torch.tanh(m @ W @ J.T / d**0.5)
    return m + C @ J / n
    # END SOLUTION
    # ALTERNATIVE: torch.einsum("td,de,se->ts", m, W, J) for the scores.

# %%
check("co_attention.joint_round", joint_round)

# %% [markdown]
# ## Within, then across
#
# > **As printed:** self-attention explores "the sequential structure of each modality (inter-modal)".
#
# > **What is meant:** *intra*-modal. Between modalities is what co-attention does.
#
# **Cheng et al. (2020)** combine the two: each modality looks at itself, then at the other (`SelfAndCoAttention`). Count what each
# form costs:

# %%
def n_weights(module):
    return sum(p.numel() for p in module.parameters())

forms = {
    "CoAttention": encoders.CoAttention(32, 2),
    "three sequences, all pairs": encoders.ManyCoAttention(32, 2, n_sequences=3),
    "SelfAndCoAttention": encoders.SelfAndCoAttention(32, 2),
    "JointCoAttention, R = 1": encoders.JointCoAttention(32, recursions=1),
    "JointCoAttention, R = 4": encoders.JointCoAttention(32, recursions=4),
}
for name, module in forms.items():
    print(f"{name:28s}{n_weights(module):7d} weights")

# %% [markdown]
# ## On the world
#
# One small network for each modality, one way to encode them together, one classifier for each segment. Only the middle
# part changes. Individuals in the test have never been met. Regions come as 182 numbers (their spectrum); we keep the 32 largest
# principal components, each scaled to variance 1, which makes training faster.

# %%
def fewer(data, like, k=32):
    x = like.train.x_v.flatten(0, 2)  # all regions of the training cut
    size, axes = torch.linalg.eigh(torch.cov(x.T))
    W = axes[:, -k:] / size[-k:].sqrt()
    cuts = {name: getattr(data, name) for name in ("train", "val", "test")}
    return replace(data, **{name: replace(cut, x_v=(cut.x_v - x.mean(0)) @ W)
                            for name, cut in cuts.items()})

events = data
data = fewer(events, like=events)
test = data.test
print(f"{events}\nnow {list(test.x_v.shape)}")

# %%
def mlp(n_in, n_out, hidden=32):
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))

class Labeller(nn.Module):
    def __init__(self, encode, *, dim, n_out=9):
        super().__init__()
        self.f = nn.Sequential(mlp(64, 32, 64), nn.LayerNorm(32))
        self.g = nn.Sequential(mlp(data.test.x_v.shape[-1], 32), nn.LayerNorm(32))
        self.encode, self.head = encode, mlp(dim, n_out, 64)

    def forward(self, x_a, x_v):  # [clip, segment, ...], [clip, segment, region, ...]
        return self.head(self.encode(self.f(x_a), self.g(x_v)))

# %%
class Scales(encoders.MultiHeadAttention):
    """Let sounds look at pictures at several frame rates."""

    def forward(self, a, v):
        context, mask = encoders.several_scales(v)
        return a + super().forward(a, context, mask=mask), v

class OneMean(encoders.RegionAttention):
    """Look at the mean of all regions, as if there were one."""

    def forward(self, a, v):
        return super().forward(a, v.mean(2, keepdim=True))

def regions(w=0, kind=encoders.RegionAttention, **settings):
    return lambda: Labeller(kind(32, 2, window=w, **settings), dim=32)

# %%
class Frames(nn.Module):  # each picture one vector, the maximum over regions
    def __init__(self, pair=lambda a, v: (a, v)):
        super().__init__()
        self.pair = pair

    def forward(self, a, v):
        return torch.cat(self.pair(a, v.amax(2)), -1)

def one(keep):  # a single modality
    return lambda: Labeller(Frames(lambda a, v: (keep(a, v),)), dim=32)

def pair(make, *arguments, **settings):
    return lambda: Labeller(Frames(make(*arguments, **settings)), dim=64)

# %%
def fit(make, seed, answer="match"):
    torch.manual_seed(seed)
    net, train = make().to(lesson.device), data.train
    matched = torch.where(train.event == 4, train.event_label, 8)
    y = {"match": matched, "heard": train.heard % 9, "viewed": train.viewed % 9}[answer]
    loss = lambda net, b: F.cross_entropy(net(*b[:2]).flatten(0, 1), b[2].flatten())
    sizes = {"steps": lesson.steps, "batch_size": lesson.batch_size, "lr": 1e-2}
    training.fit(net, loss, (train.x_a, train.x_v, y), seed=seed,
                 device=lesson.device, progress=False, **sizes)
    return net

# %% [markdown]
# Most segments are "none". Who always says so is right in more than half of them, and knows nothing: so the **macro accuracy**,
# the mean over the nine answers of the share found, stands beside it.
#
# Two references: pictures of **another clip** at test, and a **ceiling** of sorts: two networks that are *told* in training who is
# heard and who is seen, their answers compared. The true ceiling is 1.

# %%
@torch.no_grad()
def answers(net, turn=0):
    x_a, x_v = (x.to(lesson.device) for x in (test.x_a, test.x_v.roll(turn, 0)))
    return net(x_a, x_v).argmax(-1).cpu()

def scores(given):
    right = given == target
    macro = torch.stack([right[target == c].float().mean() for c in target.unique()])
    return {"accuracy": right.float().mean().item(), "macro": macro.mean().item()}

print(scores(torch.full_like(target, 8)), "always none")

# %%
rounds = {f"joint, R = {R}": pair(encoders.JointCoAttention, 32, recursions=R)
          for R in (1, 2, 4)}
arms = {
    "ears only": one(lambda a, v: a), "eyes only": one(lambda a, v: v),
    "side by side": lambda: Labeller(Frames(), dim=64),
    "regions, w = 0": regions(0),
    "regions, w = 1": regions(1),
    "mean of regions": regions(0, OneMean),
    "regions, no residual": regions(0, residual=False),
    "several scales": pair(Scales, 32, 2),
    "self and co": pair(encoders.SelfAndCoAttention, 32, 2),
} | rounds

# %%
nets = {name: [fit(make, s) for s in lesson.seeds] for name, make in arms.items()}
found = {name: [scores(answers(net)) for net in same] for name, same in nets.items()}
both = ("side by side", "regions, w = 0", "joint, R = 2")
wrong = {name: [scores(answers(net, turn=1)) for net in nets[name]] for name in both}

def values(name, metric="accuracy", table=found):
    return [run[metric] for run in table[name]]

# %%
told = []
for s in lesson.seeds:
    hears, sees = (fit(arms[arm], s, answer) for arm, answer in
                   (("ears only", "heard"), ("eyes only", "viewed")))
    heard, seen = answers(hears), answers(sees)
    told.append(scores(torch.where(heard == seen, heard, 8)))
ceiling = sum(run["accuracy"] for run in told) / len(told)
for name in wrong:
    shown_mean = sum(values(name, table=wrong)) / len(lesson.seeds)
    print(f"{name}, wrong pictures: {shown_mean:.3f}; always none {majority:.3f}")
print(f"told who is heard and seen: {ceiling:.3f}")

# %% mystnb={"image": {"alt": "Two panels of bars over twelve ways to encode: ears and eyes alone stay below their bounds; most ways with both lie well above; without the residual little is left"}}
fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
for ax, metric, chance in zip(axes, ("accuracy", "macro"), (majority, 1 / 9)):
    level = sum(run[metric] for run in told) / len(told)
    bars = {name: values(name, metric) for name in arms}
    show.bars(bars, metric=metric, chance=chance, ceiling=level, ax=ax)

# %% [markdown]
# ## Which claims show here?
#
# Each claim is one comparison of runs from the same starts. The papers' words on the left:

# %%
claims = {
    "both needed: regions beat perfect ears": ("regions, w = 0", None),
    "context of neighbours helps (Lin)": ("regions, w = 1", "regions, w = 0"),
    "regions beat their mean (Lin)": ("regions, w = 0", "mean of regions"),
    "the residual helps": ("regions, w = 0", "regions, no residual"),
    "several rates help": ("several scales", "side by side"),
    "two rounds beat one (Duan)": ("joint, R = 2", "joint, R = 1"),
    "four rounds beat two (Duan)": ("joint, R = 4", "joint, R = 2"),
    "within and across (Cheng)": ("self and co", "side by side"),
    "co-attention beats side by side": ("regions, w = 0", "side by side"),
}

# %%
for metric, bound in (("accuracy", ears.item()), ("macro", None)):
    print(f"\n{metric}")
    for claim, (x, y) in claims.items():
        if y is not None or bound:
            other = values(y, metric) if y else [bound] * len(lesson.seeds)
            print(f"  {claim:40s}{verdict(values(x, metric), other)}")

# %% [markdown]
# Read the printed verdicts; those of the `cpu` budget were:
#
# - Both modalities are needed, and the residual helps: without it macro accuracy falls most. Wrong pictures bring every way back to
#   "always none".
# - Regions beat their mean, and co-attention beats standing side by side, by a little: one thing is on stage at a time, so a
#   maximum finds it too.
# - **Not shown:** several rates, more rounds, self with co. **The other way round:** neighbours ($w = 1$) *lower* the accuracy
#   here. Regions of other moments are in the same softmax, and nothing tells them apart.
# - Three seeds show large differences only; "no difference shown" is not "equal". And of many verdicts at 95 % one may be false.

# %% [markdown]
# ## What the maps show
#
# The world knows which regions of the picture a thing covers. So a map can be scored. **Pointing**: does its largest value lie on a
# region of which the thing covers at least a tenth?
#
# ### Exercise 4: Ask whether a map points at the thing
# ★☆☆ · 8 minutes
#
# Where there is nothing to point at, the map is left out; where all are, the answer is 0.

# %%
def pointing(
    maps: Float[Tensor, "n region"], cover: Float[Tensor, "n region"], least: float
) -> Float[Tensor, ""]:
    """Share of maps with something to point at whose largest value lies on it."""
    # HINT 1: covered = cover >= least; who has any covered region?
    # HINT 2: argmax names one region a map; gather looks it up in `covered`.
    # BEGIN SOLUTION
    covered = cover >= least
    there = covered.any(1)
    hit = covered.gather(1, maps.argmax(1, keepdim=True))[:, 0]
    return (hit & there).sum() / there.sum().clamp_min(1)
    # END SOLUTION
    # ALTERNATIVE: keep only the rows with something, then index and take a mean.

# %%
check("co_attention.pointing", pointing)

# %% [markdown]
# First the maps of the labeller (regions, $w = 0$): at the thing in segments that match, at the wrong thing in segments that do
# not, and again with the sound of another clip.

# %%
@torch.no_grad()
def maps_of(net, cut, turn=0):
    x_a, x_v = (x.to(lesson.device) for x in (cut.x_a.roll(turn, 0), cut.x_v))
    M = net.encode.maps(net.f(x_a), net.g(x_v))  # [clip, step, seen step, region]
    return M.diagonal(dim1=1, dim2=2).mT.cpu()  # its own frame: [clip, step, region]

def row_of(label, maps, cover):
    point = [pointing_accuracy(M, cover).item() for M in maps]
    mass = [mass_inside(M, cover).item() for M in maps]
    chance = covered_share(cover).item()
    mean = [f"{sum(x) / len(x):8.2f} ({min(x):.2f} to {max(x):.2f})"
            for x in (point, mass)]
    print(f"{label:38s}{mean[0]:>22s}{mean[1]:>22s}{chance:8.2f}")

# %%
print(f"{'':38s}{'pointing':>22s}{'mass':>22s}{'chance':>8s}")
lookers, matched = nets["regions, w = 0"], (test.event == 4)[..., None]
own, wrong_sound = ([maps_of(net, test, k) for net in lookers] for k in (0, 1))
row_of("the thing heard and seen", own, test.cover_heard)
row_of("the same, another clip's sound", wrong_sound, test.cover_heard)
row_of("the thing seen, not heard", own, test.cover_silent)

# %% [markdown]
# The map lies on the thing, far above chance: a result one could publish. But swap the sound, and it stays; and where the thing on
# stage is *not* the one heard, it lies there as well. It shows **the thing**, not *the thing that sounds*. One thing on stage is a
# test that any detector of things passes.
#
# ## Two things on stage
#
# In the layout "scene" two things are seen all the time; one of them sounds. Now a map must choose.

# %%
scenes = comparison.world_segments(
    lesson.n_scenes, lesson.n_scenes_test, n_val=2, layout="scene"
)
scenes = fewer(scenes, like=events)
where = {"knobs": world.resolve("easy"), "split": world.find_split("test")}
cast = world.sample_scenes(scenes.test.index.tolist(), layout="scene", **where).cls
loud, silent = torch.as_tensor(cast[:, :2]).T  # classes: who sounds, who does not
heard, mute = (c.mean(1) for c in (scenes.test.cover_heard, scenes.test.cover_silent))
print(f"{'labeller, on scenes':38s}{'pointing':>22s}{'mass':>22s}{'chance':>8s}")
for label, cover in {"the thing that sounds": heard, "the silent one": mute}.items():
    row_of(label, [maps_of(net, scenes.test).mean(1) for net in lookers], cover)

# %% [markdown]
# The labeller's map hardly prefers the one that sounds. It had no reason to learn more: its task never showed two things.
#
# ## Maps that agree
#
# **Min et al. (2021)**: draw two maps over one picture and make them agree, in both modalities.
#
# - the **guided** map, where the sound would look: $G_p = \mathrm{softmax}_p(\cos(F_p, \bar a)/\tau)$;
# - the **own** map, from the picture alone: $A_p = \mathrm{softmax}_p(w^\top \mathrm{relu}(U F_p))$.
#
# > **As printed:** co-attention that aligns "the projectors' weights", and embeddings made close [Min *et al.*, 2021].
#
# > **What is meant:** the *maps* are made to agree: $\|A - \mathrm{sg}(G)\|^2$. The guided map is a fixed target (sg: no gradient).
#
# ### Exercise 5: Pull a map towards the guided one
# ★★☆ · 8 minutes

# %%
def follow_the_guide(
    own: Float[Tensor, "n position"], guided: Float[Tensor, "n position"]
) -> Float[Tensor, ""]:
    """Mean over maps of the squared distance to the guided map, a fixed target."""
    # HINT 1: sum over positions, mean over maps.
    # HINT 2: .detach() makes a tensor a fixed number. Which of the two?
    # BEGIN SOLUTION
    return (own - guided.detach()).square().sum(1).mean()
    # END SOLUTION
    # ALTERNATIVE: compute the guided map inside torch.no_grad().

# %%
check("co_attention.follow_the_guide", follow_the_guide)

# %% [markdown]
# The sound needs a reason to look: a contrast over the batch, as in lesson 23, between one vector of sound and *all regions* of
# each picture (their soft maximum); like means of one class. Pictures are means over time here.
#
# Two controls for the guided map: the sound of the next clip, and a sound **swapped** for one of the *silent* thing's class. If the
# map asks the sound, it should now move to the thing that was silent.

# %%
class Maps(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g, self.own = mlp(64, 32, 64), mlp(32, 32, 64), encoders.OwnMap(32)

    def forward(self, x_a, x_v):  # one vector of sound; one a region
        return self.f(x_a).mean(1), self.g(x_v.mean(1))

def contrast(a, v, y, tau=0.3):
    S = torch.einsum("id,jpd->ijp", F.normalize(a, dim=1), F.normalize(v, dim=2))
    S = tau * (S / tau).logsumexp(-1) / 0.1  # [sound, picture]
    like = (y[:, None] == y).float()
    like = like / like.sum(1, keepdim=True)
    return (F.cross_entropy(S, like) + F.cross_entropy(S.T, like)) / 2

# %%
map_sizes = {"steps": lesson.map_steps, "batch_size": 2 * lesson.batch_size, "lr": 3e-3}

def fit_maps(seed, weight=10.0, stop=True):
    def loss(net, batch):
        a, v = net(*batch[:2])
        G, A = encoders.guided_map(v, a, temperature=0.3), net.own(v)
        agree = (A - (G.detach() if stop else G)).square().sum(1).mean()
        return contrast(a, v, batch[2]) + weight * agree

    torch.manual_seed(seed)
    net, train = Maps().to(lesson.device), scenes.train
    training.fit(net, loss, (train.x_a, train.x_v, train.heard[:, 0]), **map_sizes,
                 seed=seed, device=lesson.device, progress=False)
    return net

# %%
ways = {"agreeing maps": {}, "without agreement": {"weight": 0.0},
        "without stop-gradient": {"stop": False}}
mappers = {name: [fit_maps(s, **x) for s in lesson.seeds] for name, x in ways.items()}

@torch.no_grad()
def draw(net, rows=slice(None), sounds=None):
    cut, sounds = scenes.test, rows if sounds is None else sounds
    a, v = net(cut.x_a[sounds].to(lesson.device), cut.x_v[rows].to(lesson.device))
    return net.own(v).cpu(), encoders.guided_map(v, a).cpu()

# %%
swap = [(loud == c).nonzero()[:1, 0] for c in silent]
rows = torch.tensor([i for i, j in enumerate(swap) if len(j)])
swap = torch.cat([j for j in swap if len(j)])
good = mappers["agreeing maps"]
guided = [draw(net)[1] for net in good]
other = [draw(net, sounds=torch.arange(len(loud)).roll(1))[1] for net in good]
swapped = [draw(net, rows, swap)[1] for net in good]
print(f"{'guided map':38s}{'pointing':>22s}{'mass':>22s}{'chance':>8s}")
row_of("own sound: the thing that sounds", guided, heard)
row_of("own sound: the silent one", guided, mute)
row_of("next clip's sound: the one that sounds", other, heard)
row_of("swapped sound: the silent one", swapped, mute[rows])

# %% mystnb={"image": {"alt": "Bars of pointing: the guided map points at the thing that sounds far above chance and at the silent one below it; the own map points at both alike"}}
def points(kind, cover, which=0):
    return [pointing_accuracy(draw(net)[which], cover).item() for net in mappers[kind]]

bars = {}
for which, map_name in ((1, "guided"), (0, "own")):
    for kind in mappers:
        bars[f"{map_name}, {kind}"] = points(kind, heard, which)
        bars[f"{map_name}, {kind}: silent"] = points(kind, mute, which)
show.bars(bars, metric="pointing", chance=covered_share(heard).item());

# %%
def compare(label, x, y):
    print(f"{label:46s}{verdict(x, y)}")

own_maps = {kind: points(kind, heard, 0) for kind in mappers}
kept, without = (own_maps[k] for k in ("agreeing maps", "without agreement"))
compare("guided: sounding less silent", points("agreeing maps", heard, 1),
        points("agreeing maps", mute, 1))
compare("own: sounding less silent", kept, points("agreeing maps", mute))
compare("own: with less without agreement (Min)", kept, without)
compare("guided: with less without agreement",
        points("agreeing maps", heard, 1), points("without agreement", heard, 1))

# %% [markdown]
# - The **guided** map asks the sound: it points at the thing that sounds, below chance at the silent one, and *moves to it* when the
#   sound is swapped. What made it so is the contrast over pictures with two things.
# - The **own** map cannot know who sounds. What agreement can teach it is where things are, sounding and silent alike. In `cpu` its
#   gain had a wide interval over three seeds: Min's claim is **not shown** here, nor refuted.
#
# ## Swap the sound, watch the map
#
# The film is darkened where the sound does not look. Choose a clip, and whose sound it is shown with.

# %%
where = {"preset": "easy", "split": "test", "layout": "scene", "size_px": 96}
stage = world.render(scenes.test.index[rows[:4]].tolist(), **where)
voices = world.render(scenes.test.index[swap[:4]].tolist(), **where)

@torch.no_grad()
def light(i, j):
    """Return how bright each frame of scene i is where the sound of clip j looks."""
    net, cut = good[0], scenes.test
    a, v = net.f(cut.x_a[j].to(lesson.device)), net.g(cut.x_v[i].to(lesson.device))
    M = encoders.guided_map(v, a.mean(0).expand_as(a), temperature=0.15).cpu()
    M = (M / M.amax(1, keepdim=True)).view(8, 1, 4, 4)  # one for each picture
    return 0.15 + 0.85 * F.interpolate(M, 96, mode="bicubic").clamp(0, 1)

# %%
def spotlight(clip, sound):
    k, own = clip - 1, sound == "its own"
    i, j = rows[k], rows[k] if own else swap[k]
    frames = (stage[k].frames * light(i, j).repeat_interleave(2, 0)).byte()
    heard_there = (stage if own else voices)[k].waveform
    film = replace(stage[k], frames=frames, waveform=heard_there)
    caption = f"Heard: {data.class_names[loud[j]]}. Light where the sound looks."
    return show.clip(film, caption=caption, min_side_px=192)

show.explore(
    spotlight, {"clip": [1, 2, 3, 4], "sound": ["its own", "of the silent one"]},
    caption="The light goes to the one that plays in about three scenes of four.",
    alt="Films of two things, lit where the sound looks.")

# %% [markdown]
# ## What breaks
#
# Let the guided map move too (no stop-gradient). The two can agree at no cost by looking everywhere alike. The entropy of a map
# over 16 regions is at most $\ln 16$.

# %%
def entropy(M):
    return -(M * M.clamp_min(1e-9).log()).sum(1).mean().item()

print(f"{'entropy':24s}   own  guided   (ln 16 = {math.log(16):.2f})")
for kind, same in mappers.items():
    drawn = [draw(net) for net in same]
    means = [sum(entropy(d[k]) for d in drawn) / len(drawn) for k in (0, 1)]
    print(f"{kind:24s}{means[0]:6.2f}{means[1]:8.2f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Three rows of maps over one scene: guided and own maps of the three trainings; without stop-gradient both are nearly even"}}
fig, axes = plt.subplots(2, 4, figsize=(8, 3.9), layout="constrained")
picture = stage.frames[0, 8].permute(1, 2, 0)
for ax in axes[:, 0]:
    ax.imshow(picture)
axes[0, 0].set_title("the scene", fontsize=9)
for column, kind in enumerate(mappers, 1):
    for which, map_name in ((1, "guided"), (0, "own")):
        ax = axes[1 - which, column]
        ax.imshow(draw(mappers[kind][0])[which][rows[0]].view(4, 4), vmin=0, vmax=0.3)
        ax.set_title(f"{map_name}, {kind}", fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %% [markdown]
# Without the stop-gradient the guided map gives way, towards looking everywhere: the agreement is bought, not learnt. The contrast
# keeps it from going all the way.
#
# ### Exercise 6 (open-ended): A context that helps
# ★★★ · 30 minutes
#
# In this lesson neighbours in time did not help. A state lasts several segments, so they could. Give the labeller a context that
# raises the score: positions in time, another window, attention within the sound first, more rounds.
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | Why it should help | unclear | in words | an upper bound, computed from the truth |
# | Comparison | against one run | same starts | same starts and same number of weights |
# | Choice of settings | on test | on training | on `data.val` |
# | Score | accuracy | and macro | and pointing, sounding and silent |
# | Controls | none | wrong pictures | and ears, eyes, side by side |

# %% [markdown]
# ## Recap
#
# - Co-attention: one table of scores read along rows and along columns; the residual keeps what was there before.
# - A context may be other scales, steps, regions, a joint code. Each is a claim to test, not a gain by name.
# - A map that lies on the thing proves little where one thing is on stage: swap the sound, put a second thing there.
# - What is made to agree in Min are maps, with a stop-gradient.

# %% [markdown]
# **Rows of Table 1 that build on this:** Lin and Wang 2020, Duan 2021, Ramaswamy and Das 2020 (labels for segments, printed as "sound
# localization"), Min 2021, Cheng 2020. In the text: Zheng 2021b, Ma 2020b.
#
# **To read:** Duan et al. (2021), joint co-attention; Lin and Wang (2020), audio queries regions; Min et al. (2021), maps that agree;
# Cheng et al. (2020), self and co; Zheng et al. (2021b), chunks; Ma et al. (2020b), global and local; Vilaça et al. (2022), section 3.1.
