# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # All objectives side by side
#
# You will have compared the objectives of Part 2 on one bench, and found out which of them can be told apart.
#
# > **Time:** 45 minutes, and 35 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 50 s (30 s once clips are cached) with 0.6 GB of memory\
# > **Survey:** section 3.2. **Needs:** lessons 20 to 25, as many of them as you like

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("26")

# %%
from collections import Counter

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from jaxtyping import Float
from torch import Tensor
from torch.testing import assert_close

from avcl_teach import comparison, objectives, show, world
from avcl_teach.comparison import stored, verdicts
from avcl_teach.comparison.rows import find_row
from avcl_teach.exercises import check

# %% [markdown]
# ## Which one is best?
#
# Three objectives, trained alike, and one number each: in how many of 100 queries the partner was among the first ten. One
# line a seed. Pick a winner from the first line before you read on:

# %%
full = stored.stored_table()  # measured by one command, long before this page was made
r10 = stored.metric_of(full, "world", "R@10")  # objective -> one value a seed
three = ["margin softmax, cosine", "InfoNCE", "InfoNCE, bank and slow encoders"]
print("      " + " | ".join(three))
for seed in range(5):
    scores = {name: 100 * r10[name][seed] for name in three}
    cells = " | ".join(f"{score:{len(name)}.1f}" for name, score in scores.items())
    print(f"seed {seed}  {cells}   best: {max(scores, key=scores.get)}")

# %% [markdown]
# - A seed decides the first weights, the order of the batches and, here, the clips.
# - A paper that prints one number a method prints one such line. Whoever wins in it may owe that to the seed.
# - This lesson asks of every difference: would it come again?

# %% [markdown]
# ## One bench
#
# What is the same for every objective: the clips, frozen features of them, two small encoders, 200 steps of 128 pairs, the
# choice of settings. What differs is the objective, and what it brings along.

# %%
sizes = {name: lesson.sizes[name] for name in ("n_train", "n_val", "n_test")}

def draw(seed):  # other clips for every seed; individuals of the test are new
    return comparison.world_pairs(seed=seed, **sizes)

pairs = draw(0)
pairs

# %% [markdown]
# One clip of the test, and all that the encoders are given of it:

# %%
clip = world.load(1, preset="easy", split="test", size_px=64)
show.clip(clip, 0, caption=f"Heard and seen: a {clip.class_names[int(clip.label[0])]}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Four small panels: sixteen series of the sound over sixteen steps, its 64 plain features, one series of motion over sixteen steps, and the 256 plain features of the picture"}}
page = {"figsize": (8, 3.6), "layout": "constrained", "width_ratios": (2, 3)}
fig, axes = plt.subplots(2, 2, **page)
x_a, x_v = pairs.test.x_a[0], pairs.test.x_v[0]
axes[0, 0].imshow(x_a[64:].unflatten(0, (16, 16)), aspect="auto", origin="lower")
axes[0, 0].set(title="sound: levels and rises, when", ylabel="series")
axes[1, 0].plot(x_v[256:])
axes[1, 0].set(title="picture: motion, when", xlabel="step of 1/8 s")
axes[0, 1].plot(x_a[:64])
axes[0, 1].set(title="sound: mean and spread of 32 bands, what")
axes[1, 1].plot(x_v[:256], linewidth=0.7)
axes[1, 1].set(title="picture: strength of frequencies, what", xlabel="feature");

# %% [markdown]
# - *When* and *what* are both there, so a space can answer both questions of lesson 02: which clip, which class.
# - The strength of spatial frequencies does not say where in the picture a thing is: the same shape elsewhere looks the
#   same to the encoder.
# - Means and deviations come from the training clips only.

# %% [markdown]
# ## Four pairs, many wishes
#
# The four pairs of Part 2 once more. Each objective is asked one thing: after a small step along your gradient, which of
# the 16 cosines have risen, and which have fallen?

# %%
a, v, y, names = show.four_pairs()

def wishes(objective, **hyper):
    """Change of the cosines by one small step, the largest scaled to 1."""
    x, z = a.clone().requires_grad_(), v.clone().requires_grad_()
    objective(x, z, **hyper).backward()
    moved = [t - 1e-3 * t.grad for t in (x, z)]
    change = torch.cosine_similarity(moved[0][:, None], moved[1][None], dim=2) - a @ v.T
    return (change / change.abs().max()).detach()

# %%
asked = {
    "pair distance": wishes(objectives.pair_squared_distance),
    "hinge, sum": wishes(objectives.hinge_sum),
    "triplet, hardest": wishes(objectives.triplet_hardest),
    "InfoNCE": wishes(objectives.info_nce, temperature=0.2),
    "contrastive, classes": wishes(objectives.contrastive_cosine, labels=y),
    "supervised contrastive": wishes(objectives.supervised_contrastive, labels=y),
}

# %% tags=["hide-input"] mystnb={"image": {"alt": "Six four by four tables, one an objective: blue where a cosine rises, red where it falls; without classes the diagonal rises, with classes the two blocks rise and the rest falls or stays"}}
fig, axes = plt.subplots(2, 3, figsize=(8, 5), layout="constrained")
for ax, (name, change) in zip(axes.flat, asked.items()):
    ax.imshow(change, cmap="RdBu", vmin=-1, vmax=1)
    for i in range(4):
        for j in range(4):
            ink = "white" if change[i, j].abs() > 0.65 else "black"
            where = {"ha": "center", "va": "center", "fontsize": 8}
            ax.text(j, i, f"{change[i, j]:+.1f}", color=ink, **where)
    ax.set(title=name, xlabel="picture", ylabel="sound")
    ax.set_xticks(range(4), range(1, 5)), ax.set_yticks(range(4), range(1, 5))

# %% [markdown]
# - Rows: drums 1 and 2, flutes 3 and 4. Blue rises, red falls; the largest change is 1.
# - Two families by what they take for a positive: the partner alone (the diagonal), or the class (two blocks). This will
#   explain more of the big table than any name does.
# - Points are moved, not cosines: on a circle a pull on one pair drags others along.

# %% [markdown]
# ## A handful, live
#
# Six objectives and two controls, few steps, three seeds with clips of their own. Settings are those of the stored
# comparison; how they were chosen comes below.

# %%
few = ["untrained", "pair cosine alone", "hinge, sum", "triplet, semi-hard", "InfoNCE",
       "supervised contrastive", "deep CCA", "ceiling: a classifier a side"]
common = {"steps": lesson.steps, "batch_size": lesson.batch_size}
data = {seed: draw(seed) for seed in lesson.seeds}
live = {}  # objective -> one report a seed
for name in few:
    row, chosen = find_row(name), full["table"]["world"][name]["setting"]
    live[name] = [row.run(data[s], seed=s, **chosen, **common).report for s in data]

# %%
def of(metric):
    return {name: [r[metric] for r in reports] for name, reports in live.items()}

mAP = of("mAP")
ways = zip(of("R@10 a2v").items(), of("R@10 v2a").values())
recall = {name: [(s + t) / 2 for s, t in zip(x, z)] for (name, x), z in ways}
level = live["InfoNCE"][0]
print(f"chance: R@10 {level['chance R@10']:.3f}, mAP {level['chance mAP']:.3f}")
wrong = [sum(of(f"wrong {m}")["InfoNCE"]) / len(data) for m in ("R@10", "mAP")]
print(f"wrong partner: R@10 {wrong[0]:.3f}, mAP {wrong[1]:.3f}")
print(f"a space that knows the class and nothing else: R@10 {level['class R@10']:.3f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Two panels of dots with intervals for eight objectives: recall at 10 on the left, mean average precision on the right, with chance marked; InfoNCE, triplet and hinge lead on the left, those with labels on the right"}}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
labelled = [name for name in few if find_row(name).labels]
words = ("pairs only", "labels used")
show.intervals(recall, metric="R@10, mean of both ways", chance=level["chance R@10"],
               marked=labelled, legend=words, ax=axes[0])
show.intervals(mAP, metric="mAP", chance=level["chance mAP"], ceiling=1.0,
               marked=labelled, legend=words, ax=axes[1])

# %% [markdown]
# - Two orders, not one: what is best at finding the partner is not best at finding the class.
# - With three seeds the intervals are wide: $t = 4.3$, and a lucky agreement of three makes a narrow one. How much of the
#   picture may be believed?

# %% [markdown]
# ## The seeds are shared: use that
#
# Both objectives of a row saw the same clips and the same batches in seed 0, and again in seed 1. An easy draw helps both.
# So look at the **difference** in each seed, and put the interval around that:
#
# $$d_s = x_s - y_s, \qquad \bar d \pm t_{n-1}\, \frac{s_d}{\sqrt n}$$

# %%
x, z = r10["InfoNCE"], r10["hinge, sum"]  # five seeds each, from the stored table
d = []
for x_s, z_s in zip(x, z):
    d.append(x_s - z_s)
mean = sum(d) / len(d)
s_d = (sum((one - mean) ** 2 for one in d) / (len(d) - 1)) ** 0.5
half = 2.776 * s_d / len(d) ** 0.5  # t of 4 degrees of freedom
print("differences:", ", ".join(f"{one:+.3f}" for one in d))
print(f"mean {mean:+.3f}, from {mean - half:+.3f} to {mean + half:+.3f}")

# %%
found = verdicts.paired_difference(x, z)
by_hand = torch.tensor([mean, mean - half, mean + half])
assert_close(torch.tensor(found[:3]), by_hand, atol=1e-4, rtol=0)
separate = [verdicts.interval(values) for values in (x, z)]
for name, (m, low, high) in zip(("InfoNCE", "hinge, sum"), separate):
    print(f"{name:12s} {m:.3f}  ({low:.3f} to {high:.3f})")
print(f"p of no difference: {found.p:.4f}")

# %% [markdown]
# Pairing helps as far as the two move together over the seeds. It cannot help where they do not.

# %% [markdown]
# ### Exercise 1: Give a difference its interval
# ★☆☆ · 8 minutes
#
# The point $t$ of Student's distribution is given.

# %%
def paired_interval(
    x: Float[Tensor, "seed"], y: Float[Tensor, "seed"], t: float
) -> Float[Tensor, "3"]:
    """Mean, low, high of x - y; x[s], y[s] share seed s. t: point of Student's t."""
    # HINT 1: which numbers have the spread that counts: x, y, or others?
    # HINT 2: std of the differences (over n - 1), divided by the root of n, times t.
    # BEGIN SOLUTION
    d = x - y
    half = t * d.std() / len(d) ** 0.5
    return torch.stack([d.mean(), d.mean() - half, d.mean() + half])
    # END SOLUTION
    # ALTERNATIVE: the variance from the sum of squares, sum d^2 - n mean^2, over n - 1.

# %%
check("verdict.paired_interval", paired_interval)

# %% [markdown]
# ## Many comparisons
#
# Twenty objectives that are all **the same**: numbers from one distribution, five seeds each. Compare each with each, call
# every $p < 0.05$ a finding:

# %%
g = torch.Generator().manual_seed(lesson.seed)
equal = {f"method {k}": torch.randn(5, generator=g).tolist() for k in range(20)}
plain = verdicts.pairwise_verdicts(equal, correct=False)
corrected = verdicts.pairwise_verdicts(equal)
n_false = sum(word != "no difference shown" for word in plain.values())
n_left = sum(word != "no difference shown" for word in corrected.values())
print(f"{len(plain)} comparisons, {n_false} findings, all false; corrected: {n_left}")

# %% [markdown]
# - One comparison errs in 5 of 100 cases. A table of 20 rows holds 190, and errs nearly always.
# - **Holm's correction** keeps the chance of even one false finding below 5 %. Sort the $m$ p values. The smallest must
#   pass $0.05/m$, the next $0.05/(m-1)$, and so on; at the first that fails, stop.
# - As numbers: $\tilde p_{(k)} = \max_{j \le k} \min(1, (m - j + 1)\, p_{(j)})$, compared with 0.05.

# %%
p = [0.010, 0.040, 0.030]
largest = 0.0
for k, one in enumerate(sorted(p)):
    largest = max(largest, min(1.0, (len(p) - k) * one))
    print(f"p = {one:.3f} times {len(p) - k}: adjusted {largest:.3f}")
assert max(verdicts.holm(p)) == largest

# %% [markdown]
# ### Exercise 2: Correct for many comparisons
# ★★☆ · 12 minutes
#
# The answer stands in the order of the input.

# %%
def holm(p: Float[Tensor, "comparison"]) -> Float[Tensor, "comparison"]:
    """Adjusted p values, each at the place of its own p."""
    # HINT 1: sort, multiply by m, m - 1, ..., 1, cut at 1, and let no later one be
    # smaller than an earlier one.
    # HINT 2: torch.sort gives the order too; cummax(0).values is the running largest.
    # BEGIN SOLUTION
    m = len(p)
    q, order = p.sort()
    q = (q * torch.arange(m, 0, -1).to(p)).clamp_max(1).cummax(0).values
    out = torch.empty_like(q)
    out[order] = q
    return out
    # END SOLUTION
    # ALTERNATIVE: a loop over p.argsort() that carries the largest value so far.

# %%
check("verdict.holm", holm)

# %% [markdown]
# ## Settings are chosen, too
#
# - Every objective has a margin, a temperature, a learning rate. With settings from its own paper it may do badly here, with
#   ten settings tried it may do well by luck.
# - The rule of the stored table: two to four settings for every row, one seed outside the five, **validation clips** of the
#   world, the best mean of mAP and R@10. Then five seeds on test, once. The digits take the same settings.
#
# What if the choice had been made on the test scores? Settings of equal worth, scores with noise,
# gains in deviations of that noise:

# %%
def winner(n_settings, *, on_test):
    noise = torch.randn(2, lesson.n_simulated, n_settings, generator=g)  # val, test
    best = noise[1 if on_test else 0].argmax(1, keepdim=True)
    return float(noise[1].gather(1, best).mean())

for n in (1, 2, 4, 10):
    honest, peeked = winner(n, on_test=False), winner(n, on_test=True)
    print(f"{n:2d} settings: gain {honest:+.2f} chosen on val, {peeked:+.2f} on test")

# %% [markdown]
# Choosing on test gains about one and a half deviations out of nothing with ten settings. The released code of DSCMR
# chooses its best epoch on test.

# %% [markdown]
# ### Exercise 3: Choose on validation, report on test
# ★☆☆ · 6 minutes

# %%
def choose_and_report(
    val: Float[Tensor, "setting seed"], test: Float[Tensor, "setting seed"]
) -> tuple[int, Float[Tensor, ""]]:
    """The index of the setting with the best validation mean, and its mean on test."""
    # HINT 1: which table decides, and which is read after the decision?
    # HINT 2: the mean over seeds first, then argmax; return the index as int.
    # BEGIN SOLUTION
    best = int(val.mean(1).argmax())
    return best, test[best].mean()
    # END SOLUTION
    # ALTERNATIVE: sort the settings by their mean on validation and take the last.

# %%
check("verdict.choose_and_report", choose_and_report)

# %% [markdown]
# ## The full table: the world
#
# Every objective of Part 2, stored as measured. A star marks rows that used labels; scores in percent with half a 95 %
# interval over five seeds; seconds of one thread for 200 steps; MB that the objective's value and gradient hold at
# most for 128 pairs.

# %%
def made(table):
    about, plan = table["about"], table["plan"]
    minutes, torch_is = about["processor_s"] / 60, about["versions"]["torch"]
    return (f"Made {about['date']} by `{about['command']}`, commit {about['commit']}, "
            f"torch {torch_is}, {about['machine']}: {plan['n_seeds']} seeds, "
            f"{plan['steps']} steps of {plan['batch_size']} pairs, {minutes:.0f} "
            "minutes of processor time. Each row's record holds all settings tried.")

Markdown(made(full))

# %%
Markdown(stored.as_markdown(full, "world"))

# %%
world_level = stored.levels(full, "world")
for name, value in world_level.items():
    print(f"{name:13s} {100 * value:5.1f}")
rows = full["table"]["world"]
fast = [name for name, row in rows.items() if row["setting"]["lr"] == 3e-3]
print(f"{len(fast)} of {len(rows)} rows chose the larger of the two learning rates")

# %% [markdown]
# - *Wrong partner* has mAP above chance: this space stands in blocks, so all items of a wrongly asked class come together, and
#   blocks in random order score higher than items in random order.
# - *Class R@10*: who knows the class, and nothing else, finds the partner in about 31 of 100 cases. Rows with labels stay near
#   it. What lies above has learned when, not only what.
# - Most rows took the largest learning rate on offer: with more steps, or a wider grid, the order may change.

# %% tags=["hide-input"] mystnb={"image": {"alt": "Dots with intervals for all objectives of Part 2 in groups by family: mean average precision on the world; rows with labels near the top of each group, controls and collapsed objectives near chance"}}
families = {name: row["family"] for name, row in rows.items()}
used = [name for name, row in rows.items() if row["labels"]]
show.intervals(stored.metric_of(full, "world", "mAP"), groups=families, marked=used,
               metric="mAP on the world, unseen individuals", legend=words,
               chance=world_level["chance mAP"])

# %% [markdown]
# ## What can be told apart?

# %%
for metric in ("R@10", "mAP"):
    values = stored.metric_of(full, "world", metric)
    best, tied = verdicts.tied_with_best(values)
    print(f"{metric}: highest {best}; not shown to be below it: {len(tied)}")
    print("   ", "; ".join(tied) or "none")

# %%
def count(metric, data="world", family=None):
    """Pairs of rows, those told apart, and those still told apart after correction."""
    values = stored.metric_of(full, data, metric)
    if family:
        values = {n: x for n, x in values.items() if families[n] == family}
    same = []
    for correct in (False, True):
        found = verdicts.pairwise_verdicts(values, correct=correct)
        same.append(Counter(found.values())["no difference shown"])
    return len(found), len(found) - same[0], len(found) - same[1]

# %%
lines = ["| compared | pairs | told apart | after correction |", "|---|---:|---:|---:|"]
for metric in ("R@10", "mAP"):
    for family in (None, "NCE", "triplet", "margin"):
        n, plain, corrected = count(metric, family=family)
        name = f"{metric}, {family or 'all rows'}"
        lines.append(f"| {name} | {n} | {plain} | {corrected} |")
Markdown("\n".join(lines))

# %% [markdown]
# - Rows far apart are told apart by five seeds, close ones are not. "No difference shown" does not mean equal.
# - Correction for a thousand comparisons takes away hundreds of findings, and nobody knows which of them were true. Ask fewer
#   questions, decided on beforehand, and each may be answered with less.
# - Here are such questions, asked by the earlier lessons:

# %%
def answer(questions, data="world"):
    found = []
    for metric, one, other in questions:
        values = stored.metric_of(full, data, metric)
        found.append(verdicts.paired_difference(values[one], values[other]))
    corrected = verdicts.holm([d.p for d in found])
    for (metric, one, other), d, q in zip(questions, found, corrected):
        word = "higher" if d.mean > 0 else "lower"
        mean, low, high = (f"{100 * x:+.1f}" for x in d[:3])
        print(f"{metric}: {one} against {other}:\n    {mean} ({low} to {high}),",
              f"p {q:.3f}:", "no difference shown" if q > 0.05 else word)

# %%
answer([
    ("mAP", "supervised contrastive", "InfoNCE"),
    ("R@10", "InfoNCE", "supervised contrastive"),
    ("R@10", "triplet, semi-hard", "triplet, hardest"),
    ("R@10", "margin softmax, dot (MMS)", "hinge, sum"),
    ("R@10", "InfoNCE", "InfoNCE, one-sided"),
    ("mAP", "DSCMR", "shared cross-entropy"),
])

# %% [markdown]
# - Classes bring mAP, partners bring R@10: the two largest differences, and they point opposite ways.
# - The hardest negative alone is worst, as others report. One direction of InfoNCE is not worse than two: half a point decides,
#   and only pairing shows it.
# - *N-pair* and *MMS* with its published margin have equal rows: without a margin they are one formula.

# %% [markdown]
# ## Two directions, one average
#
# Table 1 prints 52.65 for Ilharco 2019: the mean of 49.5 and 55.8. A mean of two directions hides which way was harder.

# %%
gaps = {}
for name, row in rows.items():
    found = row["metrics"]
    d = verdicts.paired_difference(found["R@10 a2v"], found["R@10 v2a"])
    gaps[name] = (d, sum(found["R@10 a2v"]) / 5, sum(found["R@10 v2a"]) / 5)
for name in sorted(gaps, key=lambda n: -abs(gaps[n][0].mean))[:5]:
    d, one, other = gaps[name]
    print(f"{name:32s} a2v {100 * one:4.1f}, v2a {100 * other:4.1f},",
          f"mean {50 * (one + other):4.1f}")

# %% [markdown]
# Hubs do that: a picture that is near to everything spoils all sounds' lists, and only its own list the other way.

# %% [markdown]
# ### Exercise 4: Report both directions and their mean
# ★★☆ · 8 minutes
#
# Rank of a partner: 1 + the number of strictly more alike ones.

# %%
def both_ways(sim: Float[Tensor, "sound picture"], k: int) -> Float[Tensor, "3"]:
    """R@k sound to picture, picture to sound, and their mean; partner of i is i."""
    # HINT 1: the same partner, twice: among its row, and among its column.
    # HINT 2: sim.diagonal()[:, None] compares along rows, [None, :] along columns.
    # BEGIN SOLUTION
    d = sim.diagonal()
    a2v = (1 + (sim > d[:, None]).sum(1) <= k).float().mean()
    v2a = (1 + (sim > d[None, :]).sum(0) <= k).float().mean()
    return torch.stack([a2v, v2a, (a2v + v2a) / 2])
    # END SOLUTION
    # ALTERNATIVE: a function of one direction, called with sim and with its transpose.

# %%
check("verdict.both_ways", both_ways)

# %% [markdown]
# ## Real digits, another speaker
#
# The same comparison on spoken and written digits, with the settings of the world and a speaker or two held out in every
# seed. Pairs share their class only, so mAP is the score, and *every* row has used classes, through its pairs.

# %%
digit_rows = {name: row["labels"] for name, row in full["table"]["digits"].items()}
columns = ("mAP a2v", "mAP v2a", "mAP", "probe", "seconds")
print("held out:", "; ".join(name.split(", ", 1)[1] for name in full["data"]["digits"]))
Markdown(stored.as_markdown(full, "digits", columns=columns))

# %%
best, tied = verdicts.tied_with_best(stored.metric_of(full, "digits", "mAP"))
digits_level = stored.levels(full, "digits")
print(f"chance mAP {100 * digits_level['chance mAP']:.1f}, "
      f"wrong partner {100 * digits_level['wrong mAP']:.1f}")
print(f"highest: {best}; not shown below it: {len(tied)} of {len(digit_rows) - 1}")
n, plain, corrected = count("mAP", "digits")
print(f"of {n} pairs {plain} are told apart, {corrected} after correction")

# %% [markdown]
# - The speaker held out makes most of the spread: intervals of ten points a side. Pairing removes much of it, the correction
#   leaves next to nothing. The honest reading of this table: they all work, except those that collapse.
# - The ceiling is lower, too: a classifier of voices met in training errs on a new voice.
# - Do the two data sets agree on the order? Rank correlation of mAP over the rows that both have:

# %%
from scipy.stats import spearmanr

both = [stored.metric_of(full, data, "mAP") for data in ("world", "digits")]
shared = [name for name in both[1] if families[name] != "control"]
means = [[sum(values[n]) / 5 for n in shared] for values in both]
print(f"Spearman {spearmanr(*means).statistic:.2f} over {len(shared)} rows")

# %% [markdown]
# ## Turn the knob
#
# Other data, or only what needs no labels: does your favourite stay where it was? Squares used labels, dots did not.

# %% mystnb={"image": {"alt": "The ten best rows by mAP as dots with intervals, for the chosen data and all rows or those without labels, in a strip of states"}}
def best_ten(data, rows):
    values = stored.metric_of(full, data, "mAP")
    open_to = [n for n in values if rows == "all" or n not in used]
    top = sorted(open_to, key=lambda n: -sum(values[n]))[:10]
    drawing = show.intervals({n: values[n] for n in top}, metric=f"mAP, {data}",
                             marked=[n for n in top if n in used], legend=words)
    if legend := drawing.ax.get_legend():
        legend.remove()
    return drawing.fig

knobs = {"data": ["world", "digits"], "rows": ["all", "without labels"]}
show.explore(best_ten, knobs, caption="The ten best rows by mAP; squares used labels",
             alt="Ten best objectives with intervals, for the chosen data and rows")

# %% [markdown]
# ## What breaks
#
# Papers and released codes report failures. Which of them does the table show? Each line is a paired difference over five seeds:

# %%
answer([
    ("R@10", "InfoNCE, pairs shuffled", "untrained"),
    ("mAP", "pair distance alone", "untrained"),
    ("probe", "pair distance alone", "untrained"),
    ("R@10", "InfoNCE, active negatives", "InfoNCE, bank and slow encoders"),
    ("R@10", "deep CCA", "linear CCA, closed form"),
    ("mAP", "deep CCA", "linear CCA, closed form"),
])

# %% [markdown]
# - Wrong pairs teach nothing of partners, and pair distance alone collapses: its loss falls, its probe with it.
# - Choosing negatives was made for redundant data; these clips are uniform, and R@10 falls.
# - Deep CCA finds more partners than the closed form, and classes less well: it estimates 64 x 64 covariances from 128
#   pairs where the closed form has all 1,024.
#
# **What five seeds here do not vary:** two individuals a class in the test, one preset, one pair of encoders, 200 steps,
# few settings. An interval speaks for other seeds, not for other worlds.

# %% [markdown]
# ### Exercise 5 (open-ended): Add a row
# ★★★ · 40 minutes
#
# Write an objective of your own, or a sum of two from Part 2, as a function `(a, v, labels=None, **hyper)`. Choose its settings
# on `pairs.val` (`run.judge(pairs.val)`), run `comparison.seeds` and place it in the table.
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | Settings | on test | on validation | on validation, and all tried ones listed |
# | Comparison | best seed | interval | paired difference, with the question asked beforehand |
# | Labels | not told | told | and with, without compared |
# | Both questions | one score | R@10 and mAP | and why one rose and the other fell |
# | Null result | hidden | told | told, with the difference that could have been seen |

# %% [markdown]
# ## Recap
#
# - One bench, settings chosen once on validation, five seeds, paired differences, a correction: less than that decides little
#   between objectives that are close.
# - What counts as a positive explains most of the table: partners bring R@10, classes bring mAP.
# - Chance, wrong partner and ceiling stand beside every score; one direction beside the other.

# %% [markdown]
# **Rows of Table 1 that use this:** all that name an objective of section 3.2; none of them were run alike, which is why
# their numbers cannot be compared.
#
# **To read:** Musgrave et al. (2020), what is left of metric learning's progress under one protocol; Holm (1979);
# Vilaça, Yu, Viana (2022), section 3.2.
