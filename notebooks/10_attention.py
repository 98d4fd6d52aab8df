# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Attention
#
# You will have built attention from a loop to the fused kernel, and made a picture find its sound among others.
#
# > **Time:** 50 minutes, and 40 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 60 s with 0.8 GB of memory\
# > **Survey:** section 3.1, Attention. **Needs:** lesson 02

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("10")

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from avcl_teach import comparison, encoders, show, training, world
from avcl_teach.comparison.memory import peak_mb
from avcl_teach.exercises import check
from avcl_teach.show.attended import attended_clip

# %% [markdown]
# ## From which loudspeaker?
#
# Four loudspeakers stand from left to right; each plays one sound, in turn. Watch the silent clip. Which loudspeaker
# plays what you see?

# %%
solo = world.load(64, preset="easy", split="test")
drum, flute, horn, chirp = (int((solo.label == world.CLASSES.index(name)).nonzero()[0])
                            for name in ("drum", "flute", "horn", "chirp"))
silent = replace(solo[[drum]], waveform=torch.zeros_like(solo.waveform[[drum]]))
place = torch.tensor([-1.0, -0.33, 0.33, 1.0])  # left ... right
parts = solo.mono[[horn, chirp, drum, flute], :6000]  # 0.75 s of each
parts = 0.5 * parts / parts.abs().amax(1, keepdim=True)
sides = [((1 + side * place)[:, None] / 2 * parts).flatten() for side in (-1, 1)]
heard = show.sound(torch.stack(sides), sample_rate_hz=solo.sample_rate_hz,
                   caption="Four sounds, from left to right: clearest with headphones.")
show.row([show.clip(silent, caption="Something is struck. No sound."), heard])

# %% [markdown]
# <details><summary>Which?</summary>
#
# The third, half right. You held the picture against every sound, took the one that fits, and read off its *place*. Three
# roles: the picture is the **query**, sounds are **keys**, places are **values**.
#
# </details>
#
# ## A weighted sum
#
# The survey: attention is "a dynamic weighted sum of vectors with scalar values (i.e., probabilities) obtained through
# an interaction/score function":
#
# $$y_i = \sum_j \alpha_{ij}\, v_j, \qquad \alpha_{ij} = \frac{e^{s_{ij}}}{\sum_{j'} e^{s_{ij'}}}, \qquad s_{ij} = \mathrm{score}(q_i, k_j)$$
#
# Two pictures ask three sounds. Four features, made to be read; a value is a place from $-1$ (left) to 1 (right).

# %% mystnb={"image": {"alt": "Two small tables with four columns low, high, sudden, held: two queries, drum seen and flute seen, and three keys, drum, flute and horn heard"}}
features = ["low", "high", "sudden", "held"]
Q = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])  # [query, feature]
K = torch.tensor([[2.0, 0, 2, 0], [0, 2, 0, 2], [1, 0, 0, 2]])  # [key, feature]
V = torch.tensor([[-1.0], [1.0], [0.0]])  # [key, place]
pictures = ["drum seen", "flute seen"]
sounds = ["drum heard", "flute heard", "horn heard"]
fig, axes = plt.subplots(1, 2, figsize=(8, 2.2), layout="constrained")
show.matrix(Q, rows=pictures, columns=features, digits=0, ax=axes[0], title="queries Q")
show.matrix(K, rows=sounds, columns=features, digits=0, ax=axes[1], title="keys K");

# %%
i = 0  # the picture of the drum asks
s = [sum(float(Q[i, d] * K[j, d]) for d in range(4)) for j in range(3)]
e = [torch.tensor(x).exp().item() for x in s]
alpha = [x / sum(e) for x in e]
y = sum(alpha[j] * V[j, 0].item() for j in range(3))
print("scores", s, " weights", [round(x, 3) for x in alpha], f" answer {y:+.3f}")

# %%
S = Q @ K.T  # [query, key]
weights = S.softmax(dim=1)  # each query's weights over the keys sum to 1
Y = weights @ V  # [query, place]
assert_close(weights[0], torch.tensor(alpha)), assert_close(Y[0, 0], torch.tensor(y))
assert_close(encoders.attend(encoders.dot_scores(Q, K), V), Y)
print(dict(zip(pictures, Y[:, 0].tolist())))

# %% [markdown]
# - The picture of the drum is sent left, that of the flute right. No segment was cut out: all three were heard, with
#   unequal weights. That is **dynamic pooling**, and it has a gradient.
# - The softmax runs over the **keys**. Over the queries, keys would hand out their attention among the pictures.
#
# ## Four score functions
#
# | name | $s_{ij}$ | learns |
# |---|---|---|
# | dot product | $q_i^\top k_j$ | nothing |
# | scaled dot product | $q_i^\top k_j / \sqrt d$ | nothing |
# | bilinear ("general") | $q_i^\top W k_j$ | $W$ |
# | additive | $u^\top \tanh(W_q q_i + W_k k_j)$ | $W_q, W_k, u$ |
#
# The last by a loop. With $W_q = W_k = I$ a hidden unit is near 1 as soon as *either* side has the feature: the sum counts the
# features of both together. $u = -2$ makes few of them best, and fewest they are where both sides have the same.

# %%
I, u = torch.eye(4), torch.full((4,), -2.0)
added = torch.zeros(2, 3)
for i in range(2):
    for j in range(3):
        for h in range(4):  # hidden units
            added[i, j] += u[h] * torch.tanh(I[h] @ Q[i] + I[h] @ K[j])
assert_close(torch.tanh(Q[:, None] + K[None]) @ u, added)  # [query, key, hidden] @ u
assert_close(encoders.additive_scores(Q, K, I, I, u), added)

# %% mystnb={"image": {"alt": "Four tables of attention weights, two queries by three keys: on the right sound the dot product puts 0.94 and 0.87, the scaled one 0.74 and 0.67, the additive one 0.77 and 0.71; with the bilinear one the horn ties with the flute"}}
W = torch.diag(torch.tensor([0.0, 0.0, 1.0, 1.0]))  # only the manner counts
scores = {
    "dot": encoders.dot_scores(Q, K),
    "scaled dot": encoders.scaled_dot_scores(Q, K),
    "bilinear, manner": encoders.bilinear_scores(Q, K, W),
    "additive": encoders.additive_scores(Q, K, I, I, u),
}
fig, axes = plt.subplots(1, 4, figsize=(10, 2.3), layout="constrained")
for ax, (name, S) in zip(axes, scores.items()):
    show.matrix(encoders.attention_weights(S), columns=["drum", "flute", "horn"], ax=ax,
                rows=pictures if ax is axes[0] else ["", ""], title=name)

# %% [markdown]
# - Three send each picture to its own sound, scaled with more even weights. The bilinear form with this $W$ looks at the
#   manner only and cannot tell a horn from a flute: both are held.

# %% [markdown]
# ### Exercise 1: Score by addition
# ★★☆ · 10 minutes
#
# Without a loop. Queries and keys may have different widths, and there may be any number of each.

# %%
def score_by_addition(
    q: Float[Tensor, "query dim_q"],
    k: Float[Tensor, "key dim_k"],
    W_q: Float[Tensor, "hidden dim_q"],
    W_k: Float[Tensor, "hidden dim_k"],
    u: Float[Tensor, "hidden"],
) -> Float[Tensor, "query key"]:
    """u . tanh(W_q q_i + W_k k_j) for every query i and key j."""
    # HINT 1: project both sides first. Then every projected query meets every
    # projected key.
    # HINT 2: a[:, None] + b[None] pairs the rows of a with those of b; the last
    # dimension is then summed with u.
    # BEGIN SOLUTION
    a, b = q @ W_q.T, k @ W_k.T  # [query, hidden], [key, hidden]
    return torch.tanh(a[:, None] + b[None]) @ u
    # END SOLUTION
    # ALTERNATIVE: one einsum of the tanh with u.

# %%
check("attention.score_by_addition", score_by_addition)

# %% [markdown]
# ## Why the tanh
#
# Leave it out, and $u^\top(W_q q_i + W_k k_j)$ is a number of the query plus a number of the key. In a softmax over keys the
# query's number cancels: every query gets the same weights. A sum compares only once it is bent.

# %%
straight = (Q[:, None] + K[None]) @ u
assert_close(straight.softmax(1)[0], straight.softmax(1)[1])
bent = scores["additive"].softmax(1)
print(f"largest change with the query: {(bent[0] - bent[1]).abs().max():.2f}")

# %% [markdown]
# ## Of equal length?
#
# > **As printed, section 3.1:** "addition requires inputs with equal length and accumulates the growth of both vectors, while
# > the dot product can accept mixed lengths but capture the directional growth of one into the other."
#
# *Length* may mean the number of elements or the number of features. Try both: a sum and a dot product of the inputs as they
# are, and the scores that learn.

# %%
def accepts(score, n_q, n_k, d_q, d_k):
    try:
        return f"{tuple(score(torch.randn(n_q, d_q), torch.randn(n_k, d_k)).shape)}"
    except (ValueError, RuntimeError):
        return "refused"

rules = {
    "sum, as it is": lambda q, k: torch.tanh(q[:, None] + k[None]).sum(2),
    "dot, as it is": encoders.dot_scores,
    "bilinear": lambda q, k: encoders.BilinearScore(q.shape[1], k.shape[1])(q, k),
    "additive": lambda q, k: encoders.AdditiveScore(q.shape[1], k.shape[1])(q, k),
    "dot, projected": lambda q, k: encoders.DotScore(q.shape[1], k.shape[1])(q, k),
}

# %%
print(f"{'':16s} 2 against 3 elements    4 against 5 features")
for name, score in rules.items():
    print(f"{name:16s} {accepts(score, 2, 3, 4, 4):24s}{accepts(score, 2, 3, 4, 5)}")

# %% [markdown]
# > **What is meant:** every score takes sequences of any two numbers of elements and makes a table $T_q \times T_k$. As they
# > are, sum and dot product both need equal numbers of *features*; with a projection of each side to one width, both take any.

# %% [markdown]
# ## What happens with scale
#
# A dot product of $d$ entries of variance 1 has variance $d$. Wide vectors make extreme scores; the softmax then puts all on
# one key, right or wrong, and passes no gradient on:
#
# $$\frac{\partial \alpha_j}{\partial s_{j'}} = \alpha_j\,(1[j = j'] - \alpha_{j'})$$

# %%
draw = torch.Generator().manual_seed(lesson.seed)

def saturation(score, d, n=16):
    q, k = (torch.randn(lesson.n_drawn, m, d, generator=draw) for m in (1, n))
    s = score(q, k)[:, 0]  # [draw, key]
    w = s.softmax(1)
    J = torch.diag_embed(w) - w[:, :, None] * w[:, None]  # [draw, key, key]
    return s.std().item(), w.amax(1).mean().item(), J.norm(dim=(1, 2)).mean().item()

print("   d      standard deviation   largest of 16 weights   size of the gradient")
for d in lesson.widths:
    rows = saturation(encoders.dot_scores, d), saturation(encoders.scaled_dot_scores, d)
    pairs = "".join(f"{x:11.3f} {z:7.3f}    " for x, z in zip(*rows))
    print(f"{d:5d} {pairs}")

# %% [markdown]
# - In each pair: dot product left, scaled right. Divided by $\sqrt d$, width changes nothing.
# - Divided by $d$ the scores would fade instead: all weights near $1/n$. What a missing root costs in training, we shall see.

# %% [markdown]
# ### Exercise 2: Attend with scaled dot products
# ★★☆ · 8 minutes
#
# Scores, weights and sum in one function, for a batch.

# %%
def attend_scaled(
    q: Float[Tensor, "batch query dim"],
    k: Float[Tensor, "batch key dim"],
    v: Float[Tensor, "batch key dim_v"],
) -> Float[Tensor, "batch query dim_v"]:
    """Weigh the values by a softmax over keys of q . k / sqrt(dim), and sum."""
    # HINT 1: three lines: scores, weights, weighted sum. Write the shape beside each.
    # HINT 2: k.mT swaps the last two dimensions; q.shape[-1] is the width.
    # BEGIN SOLUTION
    S = q @ k.mT / q.shape[-1] ** 0.5  # [batch, query, key]
    return S.softmax(-1) @ v
    # END SOLUTION
    # ALTERNATIVE: F.scaled_dot_product_attention(q, k, v), of which more below.

# %%
check("attention.attend_scaled", attend_scaled)

# %% [markdown]
# ## What happens with length
#
# - $n$ keys share one unit of weight. A key that leads all others by $\Delta$ gets $e^\Delta / (e^\Delta + n - 1)$: to keep its weight
#   while $n$ doubles, it must lead by $\ln 2$ more.
# - A dot product can lead by as much as vectors grow. An additive score cannot: $|s| \le \sum_h |u_h| = B$, so no weight
#   exceeds $e^{2B} / (e^{2B} + n - 1)$, whatever it hears.

# %%
n = torch.tensor([4.0, 8, 16, 32, 64, 128, 256, 512])
entropy = []
for m in n.int().tolist():  # scores of variance 1
    w = torch.randn(lesson.n_drawn, m, generator=draw).softmax(1)
    entropy.append(-(w * w.log()).sum(1).mean())
leads = {f"lead {lead}": (lead_e := torch.tensor(float(lead)).exp()) / (lead_e + n - 1)
         for lead in (2, 4, 8)}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels over the number of keys from 4 to 512. Left: the entropy of attention rises in parallel with the logarithm of n. Right: the weight of a key that leads by 2 falls to nearly nothing, by 4 to a tenth, by 8 stays above 0.8"}}
fig, axes = plt.subplots(1, 2, figsize=(8, 2.7), layout="constrained")
axes[0].plot(n, n.log(), "--", label="$\\ln n$: all alike")
axes[0].plot(n, entropy, "o-", label="scores of variance 1")
axes[0].set(ylabel="entropy of the weights")
for (name, w), mark in zip(leads.items(), "os^"):
    axes[1].plot(n, w, f"{mark}-", label=name)
axes[1].set(ylabel="weight of the leading key", ylim=(0, 1.02))
for ax in axes:
    ax.set(xscale="log", xlabel="number of keys", xticks=[4, 16, 64, 256])
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
    ax.legend()

# %% [markdown]
# ## Masks and padding
#
# Rows of unequal length are padded to one. Padding is a key like any other, unless a **mask** says otherwise. Ours: Bool, True =
# may look (as in `scaled_dot_product_attention`; the `key_padding_mask` of `nn.MultiheadAttention` means the opposite).

# %%
K5, V5 = (F.pad(x, (0, 0, 0, 2)) for x in (K, V))  # two keys of zeros, at place 0
V5[3:] = 9.0  # whatever the memory held
mask = torch.arange(5) < 3
S5 = encoders.dot_scores(Q, K5)
after = S5.softmax(1) * mask
numbers = (S5 + mask).softmax(1)  # True is 1, False is 0: added to a score
before = S5.masked_fill(~mask, -torch.inf).softmax(1)
for name, w in {"no mask": S5.softmax(1), "after the softmax": after,
                "added as a number": numbers, "before the softmax": before}.items():
    total, answer = w[0, :3].sum(), w[0] @ V5[:, 0]
    print(f"{name:19s} weights sum to {total:.3f}, answer {answer:+.3f}")
assert_close(encoders.attend(S5, V5, mask), Y)  # padding changed nothing

# %% [markdown]
# - Only the mask **before** the softmax gives the answer of the row without padding.
# - A score of 0 is not "no": zeros weigh $e^0 = 1$ each. The longer the padding, the more they take.
#
# What if a query may look **nowhere**, a clip without sound? Three conventions:

# %%
nowhere = torch.zeros(5, dtype=torch.bool)
minus_inf = S5.masked_fill(~nowhere, -torch.inf).softmax(1)
large = S5.masked_fill(~nowhere, -1e9).softmax(1)
ours = encoders.attention_weights(S5, nowhere)
for name, w in {"-inf": minus_inf, "-1e9": large, "the package": ours}.items():
    shown = [round(x, 2) for x in w[0].tolist()]
    print(f"{name:12s} weights {shown}, answer {w[0] @ V5[:, 0]:.1f}")
print("-1e9 in half precision:", torch.tensor(-1e9).half().item())

# %% [markdown]
# - $-\infty$ gives NaN, which spreads. $-10^9$ gives even weights on padding: wrong, and silent. Zeros say "nothing was seen";
#   the fused kernel agrees (below).

# %% [markdown]
# ### Exercise 3: Weigh only what may be seen
# ★★☆ · 10 minutes
#
# Scores may be large, and rows may see nothing.

# %%
def weigh(
    scores: Float[Tensor, "query key"], mask: Bool[Tensor, "query key"]
) -> Float[Tensor, "query key"]:
    """Softmax over keys where mask is True; 0 elsewhere; rows that see nothing: 0."""
    # HINT 1: what must a hidden score be, so that its exponential is 0?
    # HINT 2: masked_fill before the softmax. Then think of the row that is all hidden:
    # multiplying by the mask mends it, if there is no NaN in it.
    # BEGIN SOLUTION
    least = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, least).softmax(1) * mask
    # END SOLUTION
    # ALTERNATIVE: -inf, and nan_to_num at the end.

# %%
check("attention.weigh", weigh)

# %% [markdown]
# ## A pool that learns what to listen for
#
# The query may be fixed and learned: "what matters?" Zhang et al. (2019) pool sound and face so before they fuse them:
#
# $$\alpha_t = \mathrm{softmax}_t\big(\lambda\, u^\top \tanh(W h_t)\big), \qquad y = \sum_t \alpha_t h_t$$
#
# - An additive score whose query is a constant. $\lambda$ widens the bound $B$ on what it can say.

# %%
pool = encoders.AttentionPool(4, hidden=8, sharpness=2.0)
h, seen = K5[None], mask[None]  # [batch, position, dim], [batch, position]
alpha = (2.0 * torch.tanh(h @ pool.W.weight.T) @ pool.u).masked_fill(~seen, -torch.inf)
alpha = alpha.softmax(1)
assert_close(pool.weights(h, seen), alpha)
assert_close(pool(h, seen), (alpha[..., None] * h).sum(1))

# %% [markdown]
# ### Exercise 4: Pool a padded batch
# ★★★ · 12 minutes
#
# From lengths, not from a mask. Every row has at least one position.

# %%
def pool_by_attention(
    h: Float[Tensor, "batch position dim"],
    lengths: Int[Tensor, "batch"],
    W: Float[Tensor, "hidden dim"],
    u: Float[Tensor, "hidden"],
    lam: float,
) -> Float[Tensor, "batch dim"]:
    """sum_t alpha_t h_t with alpha = softmax(lam u . tanh(W h_t)) over t < length."""
    # HINT 1: scores [batch, position], a mask of the same shape, a softmax over
    # positions, a weighted sum over positions.
    # HINT 2: torch.arange(n) < lengths[:, None] is True where a position is real.
    # Weights need a last dimension of 1 before they multiply h.
    # BEGIN SOLUTION
    s = lam * torch.tanh(h @ W.T) @ u  # [batch, position]
    real = torch.arange(h.shape[1], device=h.device) < lengths[:, None]
    alpha = s.masked_fill(~real, -torch.inf).softmax(1)
    return (alpha[..., None] * h).sum(1)
    # END SOLUTION
    # ALTERNATIVE: one row at a time, h[b, :lengths[b]], needs no mask.

# %%
check("attention.pool_by_attention", pool_by_attention)

# %% [markdown]
# ## The segment that matters
#
# Sounds of the world, a quarter of a second each. In every row **one** is a pluck, mallet, drum or bow; around it stand
# winds, voices and near silence. Which of the four is it?
#
# - **Mean** and **max** treat all segments alike. The **ceiling** is told which segment matters.

# %%
sizes = lesson.n_clips, lesson.n_test_clips
segments = comparison.world_segments(*sizes, n_val=lesson.n_test_clips)
struck = {"wanted": range(4), "others": range(4, 8), "silent": 0.5}
def noisy(cut, n, seed, lengths=range(8, 25, 4)):
    rows = comparison.hidden_segments(cut, n, lengths=lengths, seed=seed, **struck)
    return rows.to(lesson.device)

def only(rows):  # a mask that shows nothing but the segment that matters
    return F.one_hot(rows.where, rows.mask.shape[1]).bool()

row = noisy(segments.test, 1, seed=3)
heard = segments.test.heard.flatten()[row.source[row.mask].cpu()]
names = [segments.class_names[c] if c >= 0 else "-" for c in heard.tolist()]
print(names, f"segment {row.where.item()} matters")

# %%
class Listener(nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.features = nn.Sequential(nn.LazyLinear(64), nn.GELU())
        self.pool, self.head = pool, nn.Linear(64, 4)

    def forward(self, x, mask):
        return self.head(self.pool(self.features(x), mask))

def mean_pool(h, mask):
    return (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

def max_pool(h, mask):
    return h.masked_fill(~mask[..., None], -torch.inf).amax(1)

# %%
def listen(pool, seed, told=False):
    rows = (noisy(segments.train, lesson.n_rows, seed),
            noisy(segments.test, lesson.n_test_rows, seed))
    masks = [only(r) if told else r.mask for r in rows]
    torch.manual_seed(seed)
    model = Listener(pool()).to(lesson.device)
    model(rows[0].sounds, masks[0])  # settles the widths
    training.fit(model, lambda m, b: F.cross_entropy(m(b[0], b[1]), b[2]),
                 (rows[0].sounds, masks[0], rows[0].label), steps=lesson.steps,
                 batch_size=64, lr=1e-2, seed=seed, progress=False)
    return model, rows[1], masks[1]
# %% mystnb={"image": {"alt": "Bars of accuracy: mean pooling lowest, above the chance line at 0.25, max higher, attention higher again, the ceiling told which segment matters highest"}}
def rightly(model, rows, mask):
    found = model(rows.sounds, mask).argmax(1)
    return (found == rows.label).float().mean().item()

pools = {"mean": lambda: mean_pool, "max": lambda: max_pool,
         "attention": lambda: encoders.AttentionPool(64, sharpness=4.0)}
heard = {name: [listen(pool, s) for s in lesson.seeds] for name, pool in pools.items()}
heard["ceiling"] = [listen(pools["mean"], s, told=True) for s in lesson.seeds]
accuracy = {name: [rightly(*run) for run in runs] for name, runs in heard.items()}
show.bars(accuracy, metric="accuracy on unmet individuals", chance=0.25)

# %%
def verdict(x, y):
    mean, low, high = show.scores.interval([p - q for p, q in zip(x, y)])
    word = "higher" if low > 0 else "lower" if high < 0 else "no difference shown"
    word = word if len(x) > 1 else "one seed, no verdict"
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f}): {word}"

for x, z in (("attention", "max"), ("max", "mean"), ("attention", "ceiling")):
    print(f"{x} less {z}: {verdict(accuracy[x], accuracy[z])}")

# %%
@torch.no_grad()
def hit_rate(model, rows, mask):
    w = model.pool.weights(model.features(rows.sounds), mask)
    return (w.argmax(1) == rows.where).float().mean().item()

hits = [hit_rate(*run) for run in heard["attention"]]
by_chance = [(1 / rows.lengths).mean().item() for _, rows, _ in heard["attention"]]
means = [sum(x) / len(x) for x in (hits, by_chance)]
print("largest weight on the segment that matters: "
      f"{means[0]:.2f} of rows, by chance {means[1]:.2f}")
print(f"less chance {verdict(hits, by_chance)}")

# %% [markdown]
# - Nobody told the pool *where* to look; the row's class was enough.
# - Max pooling does well too: it takes each feature from whichever segment has most of it, and noise cannot dilute that.
#   The mean drowns in it.
#
# ## The picture asks
#
# Now all segments sound. One matters, no other is of its class, and only the **picture** says which class that is. The
# values are loudspeakers, so the weighted sum *is* the answer: a probability for each of four.
#
# - Loudspeakers play equally many segments of a row: who does not find the right one is right in a quarter of rows.
# - Keys: the raw 64 features of a sound. Query: what a linear recogniser, fitted beforehand, makes of the picture: 8 numbers.

# %%
def fit_recogniser(cut, ridge=0.01):
    x, y = cut.x_v.flatten(0, 1).amax(1), cut.viewed.flatten()  # over the regions
    X = F.pad(x[y >= 0], (0, 1), value=1.0)
    Y = F.one_hot(y[y >= 0], segments.n_classes).float()
    G = X.T @ X / len(X) + ridge * torch.eye(X.shape[1])
    W = torch.linalg.solve(G, X.T @ Y / len(X)).to(lesson.device)
    return lambda x: 8 * F.pad(x, (0, 1), value=1.0) @ W - 1  # near 0 on average

recognise = fit_recogniser(segments.train)

# %%
def asked(cut, n, seed, lengths=(4, 8, 12)):
    r = comparison.hidden_segments(cut, n, lengths=lengths, seed=seed).to(lesson.device)
    speakers = F.one_hot(r.place.clamp_min(0), 4).float()  # [row, segment, speaker]
    return r, (recognise(r.picture), r.sounds, speakers, r.mask, r.answer)

def loss(pool, batch):
    query, sounds, speakers, mask, answer = batch
    p = pool(query, sounds, values=speakers, mask=mask)  # [row, speaker]
    return F.nll_loss((p + 1e-6).log(), answer)

# %%
def ask(score, seed):
    _, data = asked(segments.train, lesson.n_rows, seed)
    torch.manual_seed(seed)
    pool = encoders.QueryPool(score())
    training.fit(pool, loss, data, steps=lesson.ask_steps, batch_size=64, lr=1e-2,
                 seed=seed, progress=False)
    return pool

widths = segments.n_classes, segments.train.x_a.shape[-1]  # of query and key: 8 and 64
forms = {"additive": lambda: encoders.AdditiveScore(*widths),
         "dot": lambda: encoders.DotScore(*widths),
         "scaled dot": lambda: encoders.ScaledDotScore(*widths),
         "bilinear": lambda: encoders.BilinearScore(*widths)}

# %%
@torch.no_grad()
def judge(pool, seed, wrong=False, **rows):
    r, (query, x, speakers, mask, answer) = asked(
        segments.test, lesson.n_test_rows, seed + 100, **rows)
    query = query.roll(1, 0) if wrong else query  # the picture of another row
    p, w = pool(query, x, values=speakers, mask=mask), pool.weights(query, x, mask)
    found = {"accuracy": p.argmax(1) == answer, "hits": w.argmax(1) == r.where,
             "weight": w.gather(1, r.where[:, None]), "by chance": 1 / r.lengths}
    return {name: x.float().mean().item() for name, x in found.items()}

# %% mystnb={"image": {"alt": "Bars of accuracy: the four score functions lie between 0.55 and 0.65, close together; with wrong pictures they fall to the chance line at 0.25"}}
def collect(runs, metric, **how):
    return [judge(pool, s, **how)[metric] for pool, s in zip(runs, lesson.seeds)]

asking = {name: [ask(form, s) for s in lesson.seeds] for name, form in forms.items()}
results = {name: collect(runs, "accuracy") for name, runs in asking.items()}
wrong = {name: collect(runs, "accuracy", wrong=True) for name, runs in asking.items()}
results["additive, wrong picture"] = wrong["additive"]
results["scaled dot, wrong picture"] = wrong["scaled dot"]
show.bars(results, metric="right loudspeaker (1 = told the segment)", chance=0.25)

# %%
print("                 hits  wrong picture  by chance   weight")
for name, runs in asking.items():
    columns = [collect(runs, "hits"), collect(runs, "hits", wrong=True),
               collect(runs, "by chance"), collect(runs, "weight")]
    print(f"{name:14s}" + "".join(f"{sum(c) / len(c):10.2f}" for c in columns))
chance = [0.25] * len(lesson.seeds)
for name in forms:
    print(f"{name}, wrong picture less chance: {verdict(wrong[name], chance)}")
for x, z in (("additive", "scaled dot"), ("scaled dot", "dot"),
             ("scaled dot", "bilinear")):
    print(f"{x} less {z}: {verdict(results[x], results[z])}")

# %% [markdown]
# - With the wrong picture every form falls to chance: what they found, they found because the picture asked.
# - Between the four no difference is shown with these seeds, though addition comes out first.
#
# ## Sum, bend, scale
#
# - The additive form has what the others lack, a bend. Give the scaled dot product one: $\tanh$ on its projected keys.
# - Take the $\tanh$ away from the additive form.
# - Make dot products 512 wide, without and with $1/\sqrt d$.

# %%
class BentKeys(encoders.ScaledDotScore):
    def forward(self, q, k):
        return encoders.scaled_dot_scores(self.W_q(q), torch.tanh(self.W_k(k)))

class Straight(encoders.AdditiveScore):
    def forward(self, q, k):
        return (self.W_q(q)[:, :, None] + self.W_k(k)[:, None]) @ self.u

more = {"scaled dot, bent keys": lambda: BentKeys(*widths),
        "dot, 512 wide": lambda: encoders.DotScore(*widths, hidden=512),
        "scaled dot, 512 wide": lambda: encoders.ScaledDotScore(*widths, hidden=512),
        "additive, no tanh": lambda: Straight(*widths)}

# %%
for name, form in more.items():
    asking[name] = [ask(form, s) for s in lesson.seeds]
    results[name] = collect(asking[name], "accuracy")
    print(f"{name:22s} {sum(results[name]) / len(results[name]):.2f}")
wide, bent = "scaled dot, 512 wide", "scaled dot, bent keys"
for x, z in ((bent, "scaled dot"), (bent, "additive"), ("dot, 512 wide", "dot"),
             (wide, "scaled dot"), (wide, "dot, 512 wide")):
    print(f"{x} less {z}: {verdict(results[x], results[z])}")
print(f"no tanh less chance: {verdict(results['additive, no tanh'], chance)}")

# %% [markdown]
# - The bend pays: with it the dot product gains, and is no longer behind addition. The sum itself is no merit.
# - Without its $\tanh$ the additive form cannot hear the question, and is at chance.
# - Narrow (32), $1/\sqrt d$ makes no difference that shows: projections learn their own scale. Wide, the dot product starts
#   saturated and stays behind; scaled, width does no harm.
#
# ## Longer rows than in training
#
# Trained on rows of 4 to 12, tested on up to 128. No parameter depends on the length. What happens to hits and weight?

# %%
tested = {m: {name: {metric: collect(asking[name], metric, lengths=(m,))
                     for metric in ("hits", "weight")} for name in forms}
          for m in lesson.lengths}
longest = lesson.lengths[-1]
for metric in ("hits", "weight"):
    x, z = (tested[longest][name][metric] for name in ("additive", "scaled dot"))
    print(f"{longest} segments, {metric}, additive less scaled dot: {verdict(x, z)}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels over the length of a row, four forms each: hits fall slowly with the length and stay above the dashed line of chance; the weight on the right segment falls faster"}}
fig, axes = plt.subplots(1, 2, figsize=(8.4, 2.8), layout="constrained")
labels = {"hits": "hits", "weight": "weight on the right segment"}
for ax, (metric, label) in zip(axes, labels.items()):
    for name, mark in zip(forms, "os^D"):
        ax.plot(lesson.lengths, [sum(tested[m][name][metric]) / len(lesson.seeds)
                                 for m in lesson.lengths], f"{mark}-", label=name)
    by_chance = [1 / m for m in lesson.lengths]
    ax.plot(lesson.lengths, by_chance, "--", color="#5F5F5F", label="chance")
    ax.set(xscale="log", xlabel="segments", ylabel=label, xticks=lesson.lengths)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
axes[0].legend();

# %% [markdown]
# - The weight thins out as the formula says. Hits fall too, for another reason: among more sounds there are more that
#   resemble the right one. Both stay far above chance.
#
# ## Turn a knob: see and hear attention
#
# A clip in which sound and picture go their own ways: a flute is heard while a bow is seen. The bow's picture asks, then the
# flute's. What does each let through? First to hear, each segment of sound as loud as its weight; then to play with.

# %%
clip_at, where = 47, {"preset": "easy", "split": "test", "layout": "event"}
event_clip = world.render([int(segments.test.index[clip_at])], **where)

@torch.no_grad()
def attention_of(form, frame):
    cut = segments.test
    query = recognise(cut.x_v[clip_at, frame].amax(0)[None].to(lesson.device))
    sounds = cut.x_a[clip_at][None].to(lesson.device)
    return asking[form][0].weights(query, sounds)[0].cpu()

def play(asking_segment, form):
    w = attention_of(form, asking_segment)
    return attended_clip(event_clip, 0, w, asking=asking_segment,
                         caption=f"Heaviest: segment {int(w.argmax())} of 0 to 7")

# %%
names = [*segments.class_names, "-"]
print("seen: ", [names[c] for c in segments.test.viewed[clip_at].tolist()])
print("heard:", [names[c] for c in segments.test.heard[clip_at].tolist()])
share = [attention_of("additive", frame) for frame in (0, 4)]
heard = [event_clip.mono[0]]
heard += [heard[0] * (w / w.max()).repeat_interleave(len(heard[0]) // 8) for w in share]
show.sounds(heard, sample_rate_hz=event_clip.sample_rate_hz, captions=[
    "All of it: flute, then bow", "Picture 0 asks: a bow", "Picture 4 asks: a flute"])

# %%
show.explore(
    play, {"asking_segment": list(range(8)), "form": list(forms)},
    default={"asking_segment": 0, "form": "additive"},
    caption="The framed picture asks. Bars: weights of the segments of sound; the "
    "orange one sounds now. The large picture is dark where the sound counts little.",
    alt="A clip under eight bars, one a segment of sound, and eight small pictures.",
)

# %% [markdown]
# ## The fast path
#
# Looking at explicit weights is for teaching. `scaled_dot_product_attention` goes over blocks of keys with a running maximum
# and sum, and never holds the $T_q \times T_k$ table. Equal it is:

# %%
q, k, v = torch.randn(3, 2, 50, 16, requires_grad=True)  # [batch, position, dim]
mask = encoders.padding_mask(torch.tensor([50, 0]), 50)[:, 0]  # the second sees nothing
outputs = (encoders.attend(encoders.scaled_dot_scores(q, k), v, mask),
           encoders.attend_fused(q, k, v, mask))
assert_close(*outputs)
slopes = [torch.autograd.grad(y.square().sum(), (q, k, v)) for y in outputs]
assert_close(*slopes)
W = torch.randn(16, 16)
assert_close(encoders.attend_fused(q @ W, k, v, scale=1.0),
             encoders.attend(encoders.bilinear_scores(q, k, W), v))

# %%
def megabytes(attention, n):
    x = torch.randn(1, n, 32, requires_grad=True)
    return peak_mb(lambda: attention(x).sum().backward())

I, u = torch.eye(32), torch.ones(32)
paths = {
    "additive": lambda x: encoders.attend(encoders.additive_scores(x, x, I, I, u), x),
    "by hand": lambda x: encoders.attend(encoders.scaled_dot_scores(x, x), x),
    "fused": lambda x: encoders.attend_fused(x, x, x)}
counts = dict.fromkeys(paths, lesson.n_keys) | {"additive": lesson.n_keys_additive}
memory = {name: [megabytes(paths[name], n) for n in counts[name]] for name in paths}
for name, y in memory.items():
    print(f"{name:9s}{y[-1]:7.1f} MB; twice the length, times {y[-1] / y[-2]:.1f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Memory against length, both logarithmic: additive steepest and highest, scaled dot product by hand with the same slope of 2, fused with slope 1 far below"}}
fig, ax = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
for (name, y), mark in zip(memory.items(), "Dos"):
    ax.plot(counts[name], y, f"{mark}-", label=name)
ax.set(xscale="log", yscale="log", xlabel="queries and keys", xticks=lesson.n_keys,
       ylabel="MB, forward + backward")
ax.xaxis.set_major_formatter("{x:.0f}")
ax.minorticks_off()
ax.legend();

# %% [markdown]
# - By hand memory grows with the square of the length, fused with the length. The dot product has this path because its
#   table is one matrix product; the additive score has to hold a vector of hidden units for every pair.
# - That is one reason why the transformers of lesson 12 take dot products.
#
# ### Exercise 5 (open-ended): Two that matter
# ★★☆ · 30 minutes
#
# Let *two* segments of a row match the picture, and ask for both loudspeakers. Softmax hands out one unit of weight: what does it
# do? Compare with weights that need not sum to 1 (a sigmoid for each key).
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | Task | unclear | rows built | and chance stated, checked by a shuffled picture |
# | Softmax | scores only | one form | how weight splits between the two, measured |
# | Sigmoid | none | trained | and what happens on rows with none |
# | Padding | ignored | masked | shown not to matter |
# | Seeds | one | three | three, with interval and verdict |

# %% [markdown]
# ## Recap
#
# - Attention is a weighted sum: scores, softmax over keys, values. The query may come from the other modality.
# - Any score takes sequences of any two lengths; widths must match after projection. Addition needs its $\tanh$.
# - Scores grow with $\sqrt d$ and must be divided by it; weights thin out with the number of keys.
# - Masks go before the softmax. A row that may look nowhere should get zeros.
# - Where the scores tie, take the dot product: it alone has a path without the table.

# %% [markdown]
# **Rows of Table 1 that build on this:** Zhang 2019 (attention pooling before fusion), Merkx 2019 (attention over time steps of
# speech); with attention between the modalities (lesson 11) Duan 2021, Zheng 2021b, Min 2021, Cheng 2020, Lin 2021.
#
# **To read:** Bahdanau et al. (2015), additive attention; Luong et al. (2015), dot and bilinear; Vaswani et al. (2017), scaled;
# Dao et al. (2022), without the table; Vilaça et al. (2022), section 3.1.
