# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Memory: who rang that tone?
#
# You will have built a memory that is written and read by content, and measured what it holds on to, against a recurrent
# network and two transformers.
#
# > **Time:** 45 minutes, and 45 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 60 s with 0.8 GB of memory (the first time 40 s more, to render clips)\
# > **Survey:** section 5 (long-term signals). **Needs:** lessons 10 and 12

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("16")

# %%
import copy
from functools import partial

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

# %%
from avcl_teach import comparison, objectives, show, training
from avcl_teach.comparison.verdicts import interval, paired_difference
from avcl_teach.encoders import (
    KeyValueMemory, NearestMemory, TransformerBlock, window_mask, write_all, write_step,
)
from avcl_teach.exercises import check

# %% [markdown]
# ## A tone comes back
#
# Watch once, with sound. Four objects play a note each. Then come two seconds in which somebody off screen may play
# other notes. At the very end one of the four tones is heard again, off screen. **Who played it?**

# %%
long = {"layout": "long", "preset": "easy", "split": "test", "delay": (8, 8)}
clips = avt.world.load([0], size_px=96, **long)
i = 0
show.clip(clips, i, caption="Four notes with their players, a wait, and one tone again")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Frames of four objects over the waveform and spectrogram of one long scene: four notes of different pitch, stray notes in the wait, and a last note at the pitch of one of the first four"}}
show.strip(clips, i, n_frames=9, title="cues 0 to 2 s, wait to 4 s, query to 4.5 s");

# %%
places = ("top left", "top right", "bottom left", "bottom right")
order, answer = clips.extra["cue_order"][i].tolist(), int(clips.extra["answer"][i])
print("they played in the order:", ", ".join(places[k] for k in order))
print("the tone was that of:", places[answer])

# %% [markdown]
# - Sound alone cannot answer (which tone was when, but not whose), pictures alone neither, nor the last note alone. Both
#   must be **bound** at the cue, kept through the wait, and found again.
# - Which tone is whose is drawn afresh for every clip: nothing in the weights of a network can hold it. It must be stored
#   while the clip runs.
# - The survey names memory networks as a direction for long signals (section 5) and prints no formula. The task here
#   is *delayed association*.

# %% [markdown]
# ## As numbers
#
# A segment is a quarter of a second: its sound as 46 semitone bands $x_a$, its picture as the motion around four places
# $x_v$. A note takes two segments; four cues, a wait of 8 and the query make 18.

# %%
scenes = comparison.long_scenes(lesson.n_train, lesson.n_test, n_val=2)
scenes = scenes.to(lesson.device)
scenes

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two matrices over 18 segments: bright semitone bands of the notes, and the motion at four places, high for one place in each of the first four slots and low afterwards"}}
fig, axes = plt.subplots(2, 1, figsize=(7.2, 3.6), layout="constrained", sharex=True,
                         height_ratios=(2, 1))
one = [x[i].T.cpu() for x in (scenes.test.x_a, scenes.test.x_v)]
axes[0].imshow(one[0], aspect="auto", origin="lower", cmap="magma")
axes[0].set_ylabel("semitone of $x_a$")
axes[1].imshow(one[1], aspect="auto", cmap="magma")
axes[1].set(xlabel="segment", yticks=range(4))
axes[1].set_yticklabels(places)
for ax in axes:
    for edge in (7.5, 15.5):
        ax.axvline(edge, color="white", linestyle=":")

# %% [markdown]
# - Longer waits need no rendering: `at_delay` draws a wait of any length from the clip's own slots of waiting (silence or
#   stray notes). Rendered waits are the check at the end.
# - A rule without learning (the cue most like the query; who moved in it) says how much of the answer is in these
#   numbers:

# %%
x_a, x_v = scenes.test.at_delay(32)
right = comparison.answer_by_rule(x_a, x_v) == scenes.test.answer
wrong = comparison.answer_by_rule(x_a, x_v.roll(1, 0)) == scenes.test.answer
ceiling, chance = right.float().mean().item(), 1 / scenes.n_places
print(f"rule {ceiling:.2f}, with another clip's pictures {wrong.float().mean():.2f}, "
      f"chance {chance:.2f}")

# %% [markdown]
# ## Read by content
#
# A dictionary finds a value by exactly its key. A **key-value memory** finds it by a *similar* key: three tones as
# directions, and who rang them.

# %%
def unit(*degrees):
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float))
    return torch.stack([angle.cos(), angle.sin()], -1)

names = ("drum", "horn", "flute")
keys, values = 2 * unit(0, 90, 200), torch.eye(3)  # [slot, d], [slot, who]
q = 2 * unit(80)[0]  # a tone heard again, a little out of tune
scores = [float(q @ keys[s]) / 2**0.5 for s in range(3)]  # with a loop
w = torch.tensor(scores).softmax(0)
r = sum(w[s] * values[s] for s in range(3))
print({name: round(float(p), 3) for name, p in zip(names, r)})

# %%
assert_close(r, (q @ keys.T / 2**0.5).softmax(-1) @ values)  # as products
many = 2 * unit(80, 10, 145)  # several queries: [query, d]
read = (many @ keys.T / 2**0.5).softmax(-1) @ values
for angle, row in zip((80, 10, 145), read.tolist()):
    print(f"query at {angle:3d}:", *(f"{who} {p:.2f} " for who, p in zip(names, row)))

# %% [markdown]
# - It is the attention of lesson 10, over what was stored. A query between two keys reads a mixture.
# - A softmax over the wrong axis makes the *queries* share each slot: a second query then changes the first one's answer.

# %% [markdown]
# ### Exercise 1: Read a memory by content
# ★☆☆ · 8 minutes

# %%
def read_by_content(
    q: Float[Tensor, "query d"],
    keys: Float[Tensor, "slot d"],
    values: Float[Tensor, "slot m"],
) -> Float[Tensor, "query m"]:
    """For each query the mean of the values, weighted by a softmax over the slots of
    the dot products with the keys over sqrt(d)."""
    # HINT 1: a table of scores, one row a query; which axis do its weights add up over?
    # HINT 2: d is the length of a key, not of a value and not the number of slots.
    # BEGIN SOLUTION
    scores = q @ keys.T / keys.shape[1] ** 0.5
    return scores.softmax(-1) @ values
    # END SOLUTION
    # ALTERNATIVE: scaled_dot_product_attention(q[None], keys[None], values[None])[0].

# %%
check("memory.read_by_content", read_by_content)

# %% [markdown]
# ## Write by content
#
# Now $S$ slots with learned **addresses** $A$, for a sequence that may be longer than $S$. A segment's key says where,
# $w = \mathrm{softmax}(kA^\top/\sqrt d)$; a gate $g$ says whether; an erase gate $e$ says how much goes first:
#
# $$M_s \leftarrow (1 - g\,w_s\,e)\,M_s + g\,w_s\,v$$

# %%
A = 3 * unit(0, 120, 240)  # three addresses
events = [(10, "drum", 1.0), (130, "horn", 1.0), (60, "flute", 0.0), (5, "flute", 1.0)]
M = torch.zeros(1, 3, 3)
for degrees, who, g in events:
    w = (3 * unit(degrees) @ A.T / 2**0.5).softmax(-1)  # [1, slot]
    value = torch.eye(3)[[names.index(who)]]
    M = write_step(M, w, value, torch.tensor([g]), erase=torch.ones(1))
    print(f"{who:5s} at {degrees:3d}, gate {g:.0f}:", M[0].round(decimals=2).tolist())

# %% [markdown]
# - The flute's first note met a closed gate: nothing. Its second one meant the drum's slot, and replaced it: $e = 1$.
# - With $e = 0$ that slot would hold drum *and* flute, and no read could say which came last.

# %% [markdown]
# ### Exercise 2: Write a memory by content
# ★★☆ · 10 minutes

# %%
def write_by_content(
    M: Float[Tensor, "slot m"],
    w: Float[Tensor, "slot"],
    v: Float[Tensor, "m"],
    g: Float[Tensor, ""],
    e: Float[Tensor, ""],
) -> Float[Tensor, "slot m"]:
    """The memory after one write: each slot lets go of the share g w_s e of what it
    holds, then takes g w_s v. M itself stays as it is."""
    # HINT 1: two outer products are enough; the erasing looks at the old memory only.
    # HINT 2: try g = 0: nothing may change. Try w on one slot: the others may not.
    # BEGIN SOLUTION
    strength = (g * w)[:, None]
    return (1 - strength * e) * M + strength * v
    # END SOLUTION
    # ALTERNATIVE: M + torch.outer(g * w, v) - e * torch.diag(g * w) @ M.

# %%
check("memory.write_by_content", write_by_content)

# %% [markdown]
# ## A sequence at once
#
# - A loop over 74 segments is slow to train. But what stays of an early write is a *product* of the shares that each later
#   write lets stay: sums of logarithms, from the end to the front. No loop is left.

# %%
torch.manual_seed(0)
w = torch.randn(1, 74, 16).softmax(-1)  # [clip, segment, slot]
v, g, e = torch.randn(1, 74, 8), torch.rand(1, 74), torch.rand(1, 74)
M = torch.zeros(1, 16, 8)
for t in range(74):
    M = write_step(M, w[:, t], v[:, t], g[:, t], e[:, t])
strength = g[..., None] * w
stays = (1 - strength * e[..., None]).log()
after = (stays.sum(1, keepdim=True) - stays.cumsum(1)).exp()  # of all later writes
assert_close((strength * after).mT @ v, M, atol=1e-5, rtol=1e-4)
assert_close(write_all(w, v, g, e), M, atol=1e-5, rtol=1e-4)  # the package's

# %% [markdown]
# - As a module: `KeyValueMemory` learns maps to keys and values, both gates and the addresses. Keys come from the sound,
#   values from the picture: that is what binds the two.

# %%
memory = KeyValueMemory(46, 4, n_slots=16, dim=32)
x_a, x_v = (x[:2].cpu() for x in (scenes.test.x_a, scenes.test.x_v))
M = torch.zeros(2, 16, 32)
w = (memory.to_key(x_a) @ memory.addresses.T / 32**0.5).softmax(-1)
both = torch.cat([x_a, x_v], -1)
g, e = (gate(both)[..., 0].sigmoid() for gate in (memory.to_gate, memory.to_erase))
for t in range(x_a.shape[1]):
    M = write_step(M, w[:, t], memory.to_value(x_v[:, t]), g[:, t], e[:, t])
assert_close(memory.write(x_a, x_v), M, atol=1e-5, rtol=1e-4)

# %% [markdown]
# ### Exercise 3: Run a memory over a batch of clips
# ★★★ · 15 minutes
#
# Two bugs that no error tells you about: what one clip wrote is still there for the next, and a segment that asks is
# answered before the segments ahead of it are stored. Here segments are written and read as they come.

# %%
def run_memory(
    w: Float[Tensor, "clip n slot"],
    values: Float[Tensor, "clip n m"],
    asks: Bool[Tensor, "clip n"],
) -> Float[Tensor, "clip n m"]:
    """What each segment reads, sum_s w_s M_s. A segment that asks writes nothing; any
    other one first writes its value with g = e = 1 and then reads. Every clip starts
    with an empty memory (zeros)."""
    # HINT 1: one memory a clip, [clip, slot, m], and a loop over the segments.
    # HINT 2: the gate is 1 where the segment does not ask, 0 where it does.
    # BEGIN SOLUTION
    M = torch.zeros(len(w), w.shape[2], values.shape[2]).to(values)
    reads = []
    for t in range(w.shape[1]):
        strength = torch.where(asks[:, t, None], 0.0, w[:, t])[..., None]
        M = (1 - strength) * M + strength * values[:, t, None]
        reads.append((w[:, t, None] @ M)[:, 0])
    return torch.stack(reads, 1)
    # END SOLUTION
    # ALTERNATIVE: a loop over clips with write_by_content and a fresh M for each.

# %%
check("memory.run_memory", run_memory)

# %% [markdown]
# ## A memory that only grows
#
# Or keep **every** segment, and read from the $k$ whose keys are nearest: a kNN memory (in the manner of Wu et al. 2022).
# Nothing to erase, no slots to run out of; the price is memory and time that grow with the sequence.

# %%
nearest = NearestMemory(46, 4, k=4, dim=32)
weights, index = nearest.found(x_a[:, :16], x_a[:, 16:])
print("the first query looks at segments", index[0, 0].tolist())
k, qn = (F.normalize(nearest.to_key(x), dim=-1) for x in (x_a[:, :16], x_a[:, 16:]))
s = (qn @ k.mT) * nearest.log_scale.exp()
best = s.topk(4, -1)
assert_close(best.values.softmax(-1), weights)

# %% [markdown]
# ### Exercise 4: Answer from the nearest
# ★★☆ · 12 minutes

# %%
def nearest_answer(
    q: Float[Tensor, "query d"],
    keys: Float[Tensor, "n d"],
    values: Float[Tensor, "n m"],
    k: int,
    tau: float,
) -> Float[Tensor, "query m"]:
    """Over the k keys of largest cosine with the query (all, where there are fewer):
    a softmax of their cosines over tau weighs their values."""
    # HINT 1: cosine first, then topk along the keys, then a softmax of those k alone.
    # HINT 2: topk also says where: values[index] is [query, k, m].
    # BEGIN SOLUTION
    S = F.normalize(q, dim=-1) @ F.normalize(keys, dim=-1).T
    best, index = S.topk(min(k, len(keys)), dim=-1)
    weights = (best / tau).softmax(-1)
    return (weights[..., None] * values[index]).sum(1)
    # END SOLUTION
    # ALTERNATIVE: fill all but the k best with -inf and take one softmax over the row.

# %%
check("memory.nearest_answer", nearest_answer)

# %% [markdown]
# ## Five readers
#
# - **GRU**: 32 numbers of state carry everything. **Window**: two transformer blocks, each position sees itself and 7
#   before it, so two layers reach back 14. **Transformer**: the same without a window.
# - **Slots**: a key-value memory with 16. **Nearest**: $k = 4$. Both write all but the last two segments and read with
#   these. All five have states of width 32 and one linear layer on top.

# %%
class GRUReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(50, 32, batch_first=True), nn.Linear(32, 4)

    def forward(self, x_a, x_v):
        states, _ = self.rnn(torch.cat([x_a, x_v], -1))
        return self.out(states[:, -1])

# %%
class Transformer(nn.Module):
    def __init__(self, w=None):
        super().__init__()
        self.w, self.into, self.out = w, nn.Linear(50, 32), nn.Linear(32, 4)
        blocks = [TransformerBlock(32, 4, hidden=64) for _ in range(2)]
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x_a, x_v):
        x = self.into(torch.cat([x_a, x_v], -1))  # no code of position: see below
        mask = window_mask(x.shape[1], past=(self.w or x.shape[1]) - 1, future=0)
        for block in self.blocks:
            x = block(x, mask=mask.to(x.device))
        return self.out(F.layer_norm(x[:, -1], (32,)))

# %%
class Remember(nn.Module):
    def __init__(self, memory):
        super().__init__()
        self.memory, self.out = memory, nn.Linear(32, 4)

    def forward(self, x_a, x_v):  # the last two segments ask, the others tell
        r = self.memory(x_a[:, :-2], x_v[:, :-2], x_a[:, -2:])
        return self.out(r.mean(1))

# %% [markdown]
# **Training.** First with a wait of 2 segments, then with 2 to 16: whatever happens beyond 16 was never trained. The four
# places are alike, so every batch shuffles them. GRU and window get two to three times the steps of the others: with
# as few they stay near chance.

# %%
def shuffled(x_v, answer):
    p = torch.rand(len(x_v), x_v.shape[2], device=x_v.device).argsort(1)
    x_v = x_v.gather(2, p[:, None].expand_as(x_v))
    return x_v, (p == answer[:, None]).int().argmax(1)

# %%
def loss_at(delays, again=None):
    def loss(model, batch):
        split = comparison.LongSplit(*batch)
        x_a, x_v = split.at_delay(delays[int(torch.randint(len(delays), ()))])
        x_v, answer = shuffled(x_v, split.answer)
        if again is not None:  # used further down
            x_a, x_v = again(x_a, x_v)
        return F.cross_entropy(model(x_a, x_v), answer)
    return loss

# %%
data = tuple(vars(scenes.train).values())
usual = {"batch_size": lesson.batch_size, "device": lesson.device, "progress": False}

def train(make, seed, steps, lr, again=None):
    torch.manual_seed(seed)
    model, how = make(), usual | {"lr": lr, "seed": seed, "grad_clip": 1.0}
    first, then = loss_at((2,), again), loss_at((2, 4, 8, 16), again)
    training.fit(model, first, data, steps=steps[0], schedule="constant", **how)
    training.fit(model, then, data, steps=steps[1], **how)
    return model

# %%
@torch.no_grad()
def accuracy(model, delay, split=None, wrong=False, again=None):
    split = scenes.test if split is None else split
    x_a, x_v = split.at_delay(delay, generator=torch.Generator().manual_seed(0))
    x_v = x_v.roll(1, 0) if wrong else x_v
    if again is not None:
        x_a, x_v = again(x_a, x_v)
    return (model(x_a, x_v).argmax(1) == split.answer).float().mean().item()

# %%
slots = lambda n, **how: Remember(KeyValueMemory(46, 4, n_slots=n, dim=32, **how))
readers = {
    "GRU": (GRUReader, lesson.gru_steps, 1e-2),
    "window": (partial(Transformer, w=8), lesson.window_steps, 5e-3),
    "transformer": (Transformer, lesson.full_steps, 5e-3),
    "slots": (partial(slots, 16), lesson.memory_steps, 1e-2),
    "nearest": (lambda: Remember(NearestMemory(46, 4)), lesson.memory_steps, 1e-2),
}
models = {name: [train(make, s, *how) for s in lesson.seeds]
          for name, (make, *how) in readers.items()}

# %% [markdown]
# ## Accuracy against delay

# %%
curves = {name: torch.tensor([[accuracy(m, d) for d in lesson.delays] for m in row])
          for name, row in models.items()}  # [seed, delay]
wrong = {name: [accuracy(m, lesson.delays[0], wrong=True) for m in row]
         for name, row in models.items()}
longest = lesson.delays[-1]
title = f"delay 2              delay {longest:2d}             wrong pictures, delay 2"
print(" " * 12, title)
for name, scores in curves.items():
    parts = [scores[:, 0].tolist(), scores[:, -1].tolist(), wrong[name]]
    text = ["{:.2f} [{:5.2f}, {:4.2f}]".format(*interval(x)) for x in parts]
    print(f"{name:12s} " + "    ".join(text))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Accuracy against delay from 2 to 64 segments: both memories and the transformer stay high and flat, the window falls to chance once the cues leave its reach of 14, the GRU stays well below the memories and sinks a little"}}
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for (name, runs), mark in zip(curves.items(), "osv^D"):
    mean, low, high = torch.tensor([interval(x.tolist()) for x in runs.T]).clamp(0, 1).T
    ax.plot(lesson.delays, mean, marker=mark, label=name)
    ax.fill_between(lesson.delays, low, high, alpha=0.15)
for level, style, name in ((chance, "--", "chance"), (ceiling, ":", "rule")):
    ax.axhline(level, color="0.3", linestyle=style, label=name)
ax.axvspan(16, longest, color="0.93", zorder=0)
ax.set_xscale("log", base=2)
ax.set_xticks(lesson.delays, lesson.delays)
ax.set(xlabel="delay (segments); grey: untrained", ylabel="accuracy", ylim=(0.1, 1.03))
fig.legend(ncols=7, loc="outside upper center", columnspacing=1, handlelength=1.5);

# %%
def verdict(x, y):
    d = paired_difference(x, y)
    word = "no difference shown" if d.p > 0.05 else "higher" if d.mean > 0 else "lower"
    return f"{word} ({d.mean:+.2f} [{d.low:.2f}, {d.high:.2f}])"

last = {name: scores[:, -1].tolist() for name, scores in curves.items()}
first = {name: scores[:, 0].tolist() for name, scores in curves.items()}
print(f"slots over GRU, delay {longest}:        ", verdict(last["slots"], last["GRU"]))
print(f"slots over window, delay {longest}:     ",
      verdict(last["slots"], last["window"]))
print(f"slots over transformer, delay {longest}:",
      verdict(last["slots"], last["transformer"]))
print(f"GRU, delay 2 over {longest}:            ", verdict(first["GRU"], last["GRU"]))

# %% [markdown]
# - The **window** answers while cues are within its reach and falls to chance when they are not: no training can mend
#   that.
# - The **GRU** must press four bindings into 32 numbers and rewrite them at every segment. It learns slowest, stays well
#   below the others, and its mean sinks with the delay (whether three seeds show that, the last line says).
# - Both memories and the full **transformer** hardly notice the delay; between slots and transformer no difference is
#   shown. The transformer is a memory too: it keeps all segments, and attention reads them.
# - With another clip's pictures all fall to chance: nobody answers from the sound.

# %% [markdown]
# **Is a stretched wait a fair test?** The same models on clips rendered with a wait of 32 segments:

# %%
real = comparison.long_scenes(2, lesson.n_real, n_val=2, delay=32, like=scenes)
real = real.to(lesson.device).test
stretched = {name: [accuracy(m, 32) for m in row] for name, row in models.items()}
for name, row in models.items():
    true = [accuracy(m, 32, split=real) for m in row]
    print(f"{name:12s} rendered {sum(true) / len(true):.2f}, "
          f"stretched {sum(stretched[name]) / len(true):.2f}")

# %% [markdown]
# ## What the gate has learned
#
# Nobody told it which segments matter. Does it open for cues and shut in the wait? And which segments does the nearest
# memory look at?

# %%
model, by_nearest = (copy.deepcopy(models[k][0]).cpu() for k in ("slots", "nearest"))
test = scenes.test.to("cpu")
with torch.no_grad():
    gates = model.memory.gates(test.x_a, test.x_v)[:, :16]  # [clip, segment]
    weights, index = by_nearest.memory.found(test.x_a[:, :16], test.x_a[:, 16:])
loud = test.x_a[:, 8:16].amax(-1) > 1
print(f"mean gate: cues {gates[:, :8].mean():.2f}, wait with a stray note "
      f"{gates[:, 8:][loud].mean():.2f}, silent wait {gates[:, 8:][~loud].mean():.2f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Gate of the slot memory and weights of the nearest memory over the segments of the clip at the top: the gate is about half open everywhere; the nearest memory puts nearly all weight on the two segments of the right cue"}}
looked = torch.zeros(16).index_add(0, index[i].flatten(), weights[i].flatten() / 2)
cue = order.index(answer)
fig, ax = plt.subplots(figsize=(7, 2.3), layout="constrained")
ax.bar(torch.arange(16) - 0.2, gates[i], width=0.4, label="gate of the slots")
ax.bar(torch.arange(16) + 0.2, looked, width=0.4, hatch="//",
       label="weight of the nearest")
ax.axvspan(2 * cue - 0.5, 2 * cue + 1.5, color="0.9", zorder=0, label="the right cue")
ax.axvline(7.5, color="0.5", linestyle=":")
ax.set(xlabel="segment of the clip above (cues 0 to 7, wait 8 to 15)", ylim=(0, 1.25))
ax.legend(ncols=3);

# %% [markdown]
# - The **nearest** memory looks where it should. The **gate** has learned next to nothing: half open, in cue and wait alike.
# - It was not needed: a stray tone means other slots than the four that were rung, and a silent segment means one that no
#   tone means. Where to write did the work of whether to write. A gate earns its keep when slots are few.
#
# ## Turn a knob: watch the slots fill
#
# The same clip: after `segment` segments, what would each slot answer if it alone were read? Slots that were never
# written all say the same.

# %%
@torch.no_grad()
def slots_after(segment):
    memory = model.memory
    M = memory.write(test.x_a[[i], :segment], test.x_v[[i], :segment])[0]
    says = model.out(M).softmax(-1)  # [slot, place]
    s = int((memory.to_key(test.x_a[i, 16:]).mean(0) @ memory.addresses.T).argmax())
    fig, ax = plt.subplots(figsize=(6.6, 2), layout="constrained")
    ax.imshow(says.T, cmap="magma", vmin=0, vmax=1, aspect="auto")
    ax.set_yticks(range(4), places)
    ax.set(xlabel="slot", xticks=range(0, 16, 3), title=f"the query means slot {s}")
    return fig

# %%
show.explore(
    slots_after, {"segment": [16, 0, 2, 4, 8]},
    alt="What 16 slots answer: nothing at first, then one place more with each cue.",
    caption="Each cue moves the slots its tone means; in the wait other slots move.",
)

# %% [markdown]
# ## How many slots?
#
# If each of $n$ tones meant one slot at random, and a slot that several share answered for one of them, the share of right
# answers would be
#
# $$\mathbb E\Big[\frac{1}{1 + B}\Big] = \frac{1 - (1 - 1/S)^n}{n / S},\qquad B \sim \mathrm{Bin}(n - 1, 1/S)$$

# %%
def by_luck(n_slots, n=4):
    return (1 - (1 - 1 / n_slots) ** n) * n_slots / n

few = {n: [train(partial(slots, n), s, lesson.memory_steps, 1e-2) for s in lesson.seeds]
       for n in (1, 4)} | {16: models["slots"]}
by_size = {f"S = {n}": [accuracy(m.to(lesson.device), 8) for m in row]
           for n, row in few.items()}
print({n: round(by_luck(n), 2) for n in few})

# %% tags=["hide-input"] mystnb={"image": {"alt": "Bars of accuracy at delay 8: one slot at chance, four slots in between, sixteen slots near the rule"}}
show.bars(by_size, metric="accuracy, delay 8", chance=chance, ceiling=ceiling)

# %%
print("4 slots over 1: ", verdict(by_size["S = 4"], by_size["S = 1"]))
print("16 slots over 4:", verdict(by_size["S = 16"], by_size["S = 4"]))

# %% [markdown]
# - One slot reads the same for every query: chance, whatever it holds. Ten tones cannot share four slots without meeting;
#   learned
#   addresses do about as well as luck, a little better with 16.

# %% [markdown]
# ## Turn off the erase gate
#
# With each tone rung once there is nothing to erase. So let the objects **play twice**: all four cues come with shuffled
# players first, then again as before. The last player counts.

# %%
def twice(x_a, x_v):
    p = torch.rand(len(x_v), 4, device=x_v.device).argsort(1)
    old = x_v[:, :8].gather(2, p[:, None].expand(-1, 8, -1))
    return torch.cat([x_a[:, :8], x_a], 1), torch.cat([old, x_v], 1)

def train_slots(erase, again=None):
    make = partial(slots, 16, erase=erase)
    return [train(make, s, lesson.memory_steps, 1e-2, again) for s in lesson.seeds]

adding = train_slots(False)
once = models["slots"], adding
moved = train_slots(True, twice), train_slots(False, twice)

# %%
torch.manual_seed(lesson.seed)
for name, again, rows in (("rung once", None, once), ("rung twice", twice, moved)):
    erasing, none = ([accuracy(m.to(lesson.device), 8, again=again) for m in row]
                     for row in rows)
    print(f"{name:10s} with erase {sum(erasing) / len(none):.2f}, without "
          f"{sum(none) / len(none):.2f}; with over without:", verdict(erasing, none))

# %% [markdown]
# - Without erasing, a slot holds the sum of both players, and the answer is one of the two. The gate costs nothing else
#   and is needed as soon as facts change.

# %% [markdown]
# ## What breaks
#
# **A memory that is not reset.** The models above, once more, with the memory handed on from clip to clip (the last clip
# of the batch before is already in it):

# %%
@torch.no_grad()
def carried(model, n_before):
    split, memory, M = scenes.test, model.memory, None
    for back in range(n_before, -1, -1):  # earlier clips first, then the one that asks
        x_a, x_v = split.x_a.roll(back, 0), split.x_v.roll(back, 0)
        M = memory.write(x_a[:, :-2], x_v[:, :-2], memory=M)
    r = memory.read(M, split.x_a[:, -2:]).mean(1)
    return (model.out(r).argmax(1) == split.answer).float().mean().item()

# %%
for name, row in (("erase", models["slots"]), ("no erase", adding)):
    found = {n: sum(carried(m, n) for m in row) / len(row) for n in (0, 1, 4)}
    print(f"{name:9s}", {n: round(x, 2) for n, x in found.items()}, "by clips before")

# %% [markdown]
# - Silent: no error, and with one clip before it still looks like training gone a little worse. The memory that erases
#   suffers less, for it overwrites the tones that ring again.
#
# **The label in the value.** Suppose the teacher's answer is written along with the picture, "for supervision":

# %%
def with_label(x_v, label):
    told = F.one_hot(label, 4).float()[:, None].expand(-1, x_v.shape[1], -1)
    return torch.cat([x_v, told], -1)

def leaky_loss(model, batch):
    split = comparison.LongSplit(*batch)
    x_v, answer = shuffled(split.x_v, split.answer)
    return F.cross_entropy(model(split.x_a, with_label(x_v, answer)), answer)

# %%
leaky, steps = Remember(KeyValueMemory(46, 8, dim=32)), lesson.memory_steps[0]
history = training.fit(leaky, leaky_loss, data, steps=steps, lr=1e-2, **usual)
x_a, x_v, y = scenes.test.x_a, scenes.test.x_v, scenes.test.answer
with torch.no_grad():
    told = leaky(x_a, with_label(x_v, y)).argmax(1) == y
    asked = leaky(x_a, torch.cat([x_v, torch.zeros_like(x_v)], -1)).argmax(1) == y
print(f"loss {history.losses[-1]:.3f}; label written {told.float().mean():.2f}, "
      f"label unknown {asked.float().mean():.2f} (chance {chance:.2f})")

# %% [markdown]
# - Perfect in training, chance at work. The control that finds it: write no label at test, or another clip's.
# - A third trap is a **code of positions**: with one fixed delay in training, the answer always stands as far back as it
#   did then, and a learned position of the query stands for it. Vary the delay, and test beyond it. (Our transformers have
#   no code at all.)

# %% [markdown]
# ## Another memory: the queue
#
# The bank of lesson 24 is a memory too: keys of past batches, written by `push` at the end, the oldest dropped, read by
# every query of a loss. What is in it grows stale while the encoder learns; a key encoder that moves slowly
# (`momentum_update`) keeps it fresh.

# %%
bank = objectives.empty_bank(3, 2)
for step in range(3):
    angle = 60.0 * step
    bank = objectives.push(bank, unit(angle, angle + 30), unit(angle, angle + 30))
    print(f"after push {step}: {len(bank)} keys at",
          torch.atan2(*bank.a.flip(1).T).rad2deg().round().int().tolist())

# %%
def queue_step(towers, slow, optimizer, bank, some, m):
    x = toy.train.x_a[some], toy.train.x_v[some]
    a, v = (t(y) for t, y in zip(towers, x))
    with torch.no_grad():
        keys_a, keys_v = (k(y) for k, y in zip(slow, x))
    loss = objectives.info_nce_bank(a, v, bank=bank, keys_a=keys_a, keys_v=keys_v)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for t, k in zip(towers, slow):
        objectives.momentum_update(t, k, m=m)
    return objectives.push(bank, keys_a, keys_v)

# %%
toy = comparison.toy_pairs(512, 128, n_classes=4)

def stale(m, seed):
    torch.manual_seed(seed)
    towers = nn.ModuleList(nn.Linear(x.shape[1], 16) for x in toy.train[:2])
    slow, bank, seen = copy.deepcopy(towers), objectives.empty_bank(512, 16), []
    optimizer = torch.optim.Adam(towers.parameters(), lr=3e-3)
    for _ in range(lesson.queue_steps):
        seen.append(torch.randint(512, (32,)))
        bank = queue_step(towers, slow, optimizer, bank, seen[-1], m)
    with torch.no_grad():
        now = F.normalize(slow[0](toy.train.x_a[torch.cat(seen)[-len(bank):]]), dim=1)
    return (bank.a * now).sum(1).view(-1, 32).mean(1).flip(0)  # [age]

# %%
fresh = {m: torch.stack([stale(m, s) for s in lesson.seeds]) for m in (0.0, 0.9, 0.99)}
oldest = {m: x[:, -1].tolist() for m, x in fresh.items()}
print("oldest keys, m = 0.99 over m = 0:", verdict(oldest[0.99], oldest[0.0]))

# %% tags=["hide-input"] mystnb={"image": {"alt": "Cosine between stored keys and what the key encoder makes of the same clips now, against age in batches: falls to about 0.93 with m = 0 and with m = 0.9, stays near 1 with m = 0.99"}}
fig, ax = plt.subplots(figsize=(5.6, 2.5), layout="constrained")
for (m, x), mark in zip(fresh.items(), "osv"):
    ax.plot(range(x.shape[1]), x.mean(0), marker=mark, label=f"m = {m:g}")
ax.set(xlabel="age of a key (batches)", ylabel="cosine with the key made now")
ax.legend();

# %% [markdown]
# - In these first steps $m = 0.99$ keeps old keys valid; $m = 0.9$ does no better than copying the encoder ($m = 0$): it
#   moves as far within 15 batches, only ten steps late.

# %% [markdown]
# | memory | key | written | leaves | gradient |
# |---|---|---|---|---|
# | GRU | none, one state | every step | by being overwritten | through all steps |
# | window | position | every step | after $w$ steps | through the window |
# | slots | content | by the gate | by the erase gate | through gates and addresses |
# | nearest | content | always | never, or oldest first | through the $k$ found |
# | queue | content of a batch | after the step | oldest first | none |

# %% [markdown]
# ### Exercise 5 (open-ended): Find the capacity
# ★★★ · 45 minutes
#
# How many facts fit? Play the cues of several clips one after the other (the last binding of a tone counts) and find the
# number at which slots, nearest and GRU each drop half way to chance. Or break the audit: train a reader that beats
# chance without the pictures, and say what you found.
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | Question | a run | one quantity varied | a prediction written down before the run |
# | Runs | one | three seeds | three seeds, interval of the difference |
# | Beside it | nothing | chance | chance, wrong pictures, rule |
# | Claim | larger than the runs | fits | fits, and one thing that did not work is told |

# %% [markdown]
# ## Recap
#
# - A memory is written and read by content: softmax over the slots, a gate for whether, an erase gate for what goes first.
# - Written with products of what stays, a sequence needs no loop.
# - Delayed association: a window ends where it ends, a GRU holds little, slots and nearest keys hardly notice the delay. A full
#   transformer is a memory that keeps everything.
# - Check what no error tells: reset between clips, no label in values, varied delays, another clip's pictures.

# %% [markdown]
# **Rows of Table 1 that use this:** none has slots. Ma 2020a keeps keys of past batches (a queue, lesson 24); every
# transformer row keeps its clip. The survey's section 5 asks for memory where signals are long.
#
# **To read:** Weston et al. (2015), memory networks; Graves et al. (2014), erase and add; Zhang et al. (2017), slots with
# learned addresses; Wu et al. (2022), kNN memory in a transformer; He et al. (2020), the queue.
