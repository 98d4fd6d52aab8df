# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Speech from video
#
# You will have built a generator that gives a silent talking mouth its voice back, and the measure that says how many words came through.
#
# > **Time:** 50 minutes, and 34 more for the checked exercises\
# > **Runs on:** 2 CPU cores in about 115 s with 1.2 GB of memory\
# > **Survey:** section 3.1, generative adversarial networks, ii and iv. **Needs:** lessons 01 and 15

# %%
import importlib.util
if importlib.util.find_spec("avcl_teach") is None: get_ipython().run_line_magic("pip", "install -q \"avcl-teach @ git+https://github.com/avcl-teach/avcl-teach\"")
import avcl_teach as avt; lesson = avt.start("37")

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from jaxtyping import Float, Int
from torch import Tensor
from torch.testing import assert_close

from avcl_teach import show

# %%
from avcl_teach.comparison import listeners, talking, train_talking
from avcl_teach.encoders import lip_speech
from avcl_teach.exercises import check
from avcl_teach.features import cepstra
from avcl_teach.metrics import speech
from avcl_teach.table1 import lesson_rows
from avcl_teach.world.variants import render_speech, speech_audit
from avcl_teach.world.variants import speech_words as lexicon

# %% [markdown]
# ## What does she say?
#
# Four made-up words, from somebody you never met. Watch the mouth, without sound. Which of the three was said?
#
# - A: *bato pose vomi pinu*
# - B: *mado pose fobi bisu*
# - C: *tepi fani dasu novo*

# %%
HERS = 41
big = render_speech([HERS], split="test", size_px=96)
silent = replace(big, waveform=torch.zeros_like(big.waveform))
show.clip(silent, caption="A mouth says four words. The sound is switched off.")

# %%
said = lexicon.sentence(big.extra["words"][0])
show.sound(big.mono[0], sample_rate_hz=8000, caption="The clip's sound: four words.")

# %% [markdown]
# <details><summary>Which?</summary>
#
# B. C is soon ruled out: it begins with another mouth. But A and B *look the same*: *m* and *b* close the same lips, *d* and
# *t* lift the same tongue. Sounds that share a look are a **viseme**, words that share all of it are **homophenes**. No
# machine can tell A from B by sight. How well can one do at best, and how near does a machine come?
#
# </details>

# %% [markdown]
# ## The mouth and its sound
#
# - 50 frames at 25 a second, 2 s of sound at 8 kHz: 320 samples to a frame. Frame $k$ shows the mouth in the middle of samples
#   $320k$ to $320k + 319$.
# - Vowels have a height and a width of the mouth, and formants; consonants have a closure, a slit or a bite, and a hum, a hiss
#   or a burst.

# %% tags=["hide-input"]
def picture_row(ax, frames, every=2, first=4, last=46):
    shown = frames[first:last:every].permute(2, 0, 3, 1)
    ax.imshow(shown.reshape(shown.shape[0], -1, 3), aspect="auto",
              extent=(first / 25, last / 25, 0, 1))
    ax.set(yticks=[])

def spectrum_row(ax, x, title=""):
    L = lip_speech.log_spectrum(x[None])[0]
    place = (0, len(x) / 8000, 0, 4)
    ax.imshow(L, origin="lower", aspect="auto", extent=place, vmin=-6, vmax=3)
    ax.set(ylabel="kHz", title=title)

# %% tags=["hide-input"]
def stack(n):
    how = {"height_ratios": [1] + [2.4] * n}
    return plt.subplots(n + 1, 1, figsize=(9, 0.9 + 1.3 * n), layout="constrained",
                        sharex=True, gridspec_kw=how)

# %% tags=["hide-input"]
fig, axes = stack(1)
picture_row(axes[0], big.frames[0])
spectrum_row(axes[1], big.mono[0])
for word, (start, end) in zip(said, big.extra["word_s"][0]):
    axes[1].axvspan(start, end, ymin=0.84, color="w", alpha=0.85)
    axes[1].text((start + end) / 2, 3.5, word, ha="center")
axes[1].set(xlim=(0.16, 1.84), xlabel="seconds")
show.figure(fig, alt="Frames of a mouth above a spectrogram on one time axis: lips "
            "shut where sound stops or hums, wide open where low bands are strong")

# %% [markdown]
# The grammar is that of the GRID corpus, made smaller: a word from each slot, all sentences equally likely. Speakers of the
# test are in no other split, and a high voice goes with a small head, mostly.

# %%
doubles = speech_audit.homophenes()
for slot, words in zip(lexicon.SLOTS, lexicon.LEXICON):
    marked = [w + ("*" if lexicon.WORDS.index(w) in doubles else " ") for w in words]
    print(f"{slot:8s}", "   ".join(marked))
print("* has a double on the lips:", lexicon.looks("mado"), "= mado = bato")

# %% [markdown]
# ### Exercise 1: Find what no reader of lips can beat
# ★★☆ · 8 minutes
#
# A reader sees every look without fault, knows the slot, and guesses among the words that look alike. Which share of words
# will be wrong? All words of a slot are equally likely; a sentence has one word of each slot.

# %%
def floor_of_sight(look: Int[Tensor, "word"], slot: Int[Tensor, "word"]) -> float:
    """Least share of wrong words for a reader who sees all looks and knows the slot.

    look, slot: a number for every word of the lexicon; equal looks look the same.
    """
    # HINT 1: of n words in a slot with k different looks, how many are right on average
    # when each is said once?
    # HINT 2: k: each look's guess hits one of its words. The mean over slots of k / n.
    # BEGIN SOLUTION
    slots = [look[slot == s] for s in slot.unique()]
    right = [len(looks.unique()) / len(looks) for looks in slots]
    return 1 - sum(right) / len(right)
    # END SOLUTION
    # ALTERNATIVE: for each word 1 / (number of words in its slot that look like it).

# %%
check("speech.floor_of_sight", floor_of_sight)

# %%
floor = speech_audit.sight_floor()
print(f"words wrong: at least {floor:.0%} by sight alone, {3 / 4:.0%} by a blind guess")

# %% [markdown]
# ## Count the words that are wrong
#
# A recogniser writes down what it hears. Words may be exchanged (S), missing (D) or added (I):
#
# $$\mathrm{WER} = \frac{S + D + I}{N}, \qquad N \text{ words said}$$
#
# Which errors they were is decided by the cheapest way to turn one into the other. By hand, one table:

# %%
reference, heard = said, ["bato", "fobi", "bisu", "teda"]
d = [[i + j if i * j == 0 else None for j in range(5)] for i in range(5)]
for i in range(1, 5):
    for j in range(1, 5):
        exchange = d[i - 1][j - 1] + (reference[i - 1] != heard[j - 1])
        d[i][j] = min(exchange, d[i - 1][j] + 1, d[i][j - 1] + 1)
print(f"{d[4][4]} edits for {len(reference)} words: WER {d[4][4] / 4:.2f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Table of edit distances, words said as rows, words heard as columns; it starts with 0 at the top left and ends with 3 at the bottom right"}}
fig, ax = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
show.matrix(torch.tensor(d), rows=["", *reference], columns=["", *heard], ax=ax,
            row_title="said", column_title="heard");

# %%
print(speech.word_errors([reference], [heard]))
assert speech.edit_table(reference, heard) == d
print("nothing heard:", speech.word_error_rate([reference], [[]]))
print("everything three times:", speech.word_error_rate([reference], [3 * reference]))

# %% [markdown]
# - One word exchanged, one missing, one added: the other two are right, though neither stands at its place. Word by word, without
#   the table, all four would be wrong.
# - Silence scores 1; who says more than there is can score above 1.

# %% [markdown]
# ### Exercise 2: Count the words that went wrong
# ★★☆ · 12 minutes
#
# Words are numbers here.

# %%
def count_word_errors(said: Int[Tensor, "n"], heard: Int[Tensor, "m"]) -> float:
    """Fewest exchanges, omissions and additions that turn said into heard, over n."""
    # HINT 1: the table above; only its last row is needed to make the next one.
    # HINT 2: first row 0, 1, ..., m; every row starts with its own number; then the
    # least of three neighbours, each plus its cost.
    # BEGIN SOLUTION
    d = list(range(len(heard) + 1))
    for i in range(1, len(said) + 1):
        before, d = d, [i]
        for j in range(1, len(heard) + 1):
            exchange = before[j - 1] + int(said[i - 1] != heard[j - 1])
            d.append(min(exchange, before[j] + 1, d[j - 1] + 1))
    return d[-1] / len(said)
    # END SOLUTION
    # ALTERNATIVE: a recursion on the last words, with results kept.

# %%
check("speech.count_word_errors", count_word_errors)

# %% [markdown]
# ## A recogniser that never heard a machine
#
# - It is trained on *true* speech of the training speakers, frame by frame on the alignments, and then frozen. Trained on
#   generated speech it would learn to understand the generator's mumbling.
# - It is loaded here; `learn_to_listen("recogniser")` trains it in half a minute.

# %%
recogniser, ear = train_talking.stored_listeners()
test = talking.talk("test", lesson.n_test)
wer = lambda heard: speech.word_error_rate(test.words.tolist(), heard)
true = listeners.transcribe(recogniser, test.x)
print("written down:", lexicon.sentence(listeners.transcribe(recogniser, big.mono)[0]))
print(f"WER of true speech, unseen speakers: {wer(true):.3f}")

# %%
from avcl_teach.metrics.wrong_partners import wrong_partners

order = wrong_partners(test.sentences)  # nobody gets the own sentence
print(f"strangers' true speech: {wer([true[i] for i in order]):.3f}")
shares = torch.tensor([w in doubles for w in test.words.flatten().tolist()]).float()
by_sight = shares.mean() / 2
print(f"doubles among the test words: {shares.mean():.3f}; sight leaves {by_sight:.3f}")

# %% [markdown]
# ## From a frame to 40 milliseconds
#
# The system of Mira et al. (2021) has no text and no vocoder of voices in between: frames in, samples out, in step. Ours is
# smaller: per frame four spectra of 129 magnitudes; phases are found after (Griffin and Lim, lesson 14).

# %%
torch.manual_seed(lesson.seed)
G = lip_speech.SpeechGenerator()
x_v = test.frames[:2]
h = G.reader(x_v)  # 3-D convolution, 2-D convolution, GRU both ways
L = G.spectra(x_v)  # two transposed convolutions in time: 4 spectra a frame
y = lip_speech.sound_of(L)
for name, z in (("frames", x_v), ("read", h), ("log spectra", L), ("samples", y)):
    print(f"{name:12s}{tuple(z.shape)}")

# %% [markdown]
# - Every stage keeps the frames' clock: 50 frames, 200 spectra (and one to close), 16,000 samples.
# - What does the step from magnitudes to samples cost? True magnitudes, through the same step:

# %%
L_true = lip_speech.log_spectrum(test.x)
through = {n: lip_speech.sound_of(L_true, n_steps=n) for n in lesson.phase_steps}
for n, x in through.items():
    off = speech.log_stft_distance(x, test.x).mean()
    lost = wer(listeners.transcribe(recogniser, x))
    print(f"{n:3d} steps: WER {lost:.3f}, off by {off:.2f}")

# %%
L = lip_speech.log_spectrum(big.mono)
hers = lip_speech.sound_of(L, n_steps=talking.PHASE_STEPS)
captions = ["True speech.", "True magnitudes, phases found anew: every word is there."]
show.sounds([big.mono[0], hers[0]], sample_rate_hz=8000, captions=captions)

# %% [markdown]
# So the vocoder is not what words are lost in. It is the **ceiling** of the results below.
#
# ### Exercise 3: Cut picture and sound at one place
# ★★☆ · 8 minutes
#
# Training takes a second at a time, from another place of each clip. One frame of offset between picture and sound is the
# commonest fault of such code, and no error message tells of it.

# %%
def cut_together(
    v: Float[Tensor, "clip frame d"],
    x: Float[Tensor, "clip sample"],
    start: Int[Tensor, "clip"],
    n: int,
) -> tuple[Float[Tensor, "clip n d"], Float[Tensor, "clip cut"]]:
    """Cut n frames of each clip, from its own start, and the sound of the very frames.

    A frame lasts x.shape[1] // v.shape[1] samples.
    """
    # HINT 1: two lists of places for every clip: frames, and samples.
    # HINT 2: start[:, None] + torch.arange(n) are the frames; each place of a sample is
    # so many times further on.
    # BEGIN SOLUTION
    per = x.shape[1] // v.shape[1]
    rows = torch.arange(len(v))[:, None]
    t = start[:, None] + torch.arange(n)
    at = per * start[:, None] + torch.arange(per * n)
    return v[rows, t], x[rows, at]
    # END SOLUTION
    # ALTERNATIVE: a loop over clips with slices, stacked.

# %%
check("speech.cut_together", cut_together)

# %% [markdown]
# ## Three ways to compare
#
# > **As printed, Table 1:** objective "Adv.L", learning "Unsupervised".
#
# > **What is meant:** two adversarial losses **and three comparative ones**, against the speech of the very clip: perceptual,
# > power, MFCC. The pairing of picture and sound is the supervision (others say *self-supervised*).
#
# - **power**: $\frac1n \| \ln(|Y| + \epsilon) - \ln(|X| + \epsilon) \|_1$ over all bins of the spectra;
# - **MFCC**: the same for 13 cosines of each log-mel spectrum: its coarse shape, without pitch;
# - **perceptual**: the same for inner features of a frozen *ear*. Theirs is PASE; ours names sounds, trained on true speech.

# %%
x = test.x[:1]
M = listeners.speech_mel(x)  # [1, mel, frame]
C = cepstra.cosine_transform(32, n_coefficients=13)
by_hand = torch.stack([
    sum(C[k, m] * M[:, m] for m in range(32)) for k in range(13)
], 1)
assert_close(by_hand, cepstra.mfcc(x, eps=1e-4), atol=1e-3, rtol=1e-3)

# %%
losses = talking.Losses("paper", ear)
shift = test.x.roll(320, 1)  # a frame late
others = {"itself": test.x, "half as loud": test.x / 2, "upside down": -test.x,
          "a frame late": shift, "a stranger's": test.x[order]}
for name, other in others.items():
    found = losses.comparative(other, test.x)
    row = "".join(f"{k} {float(v):.2f}   " for k, v in found.items())
    print(f"{name:13s} {row}")

# %% [markdown]
# - Upside down costs nothing: phase is not compared. Half as loud costs the power loss $\ln 2 = 0.69$ where it is loud, less near
#   $\epsilon$; the ear hardly minds.
# - A frame late costs a good part of what a stranger costs. That is why the cut matters.

# %% [markdown]
# ### Exercise 4: Compare two log spectra
# ★☆☆ · 6 minutes
#
# Two magnitudes in, one number out. Mind the $\epsilon$: one for both sides.

# %%
def power_loss(
    Y: Float[Tensor, "clip freq frame"], X: Float[Tensor, "clip freq frame"], eps: float
) -> Float[Tensor, ""]:
    """Mean absolute difference of ln(magnitude + eps), generated Y against true X."""
    # HINT 1: inside out: add, logarithm, difference, absolute value, mean.
    # HINT 2: .log() is the natural one; .mean() without arguments takes every entry.
    # BEGIN SOLUTION
    return ((Y + eps).log() - (X + eps).log()).abs().mean()
    # END SOLUTION
    # ALTERNATIVE: ((Y + eps) / (X + eps)).log().abs().mean().

# %%
check("speech.power_loss", power_loss)

# %% [markdown]
# ## Two critics
#
# - A comparison punishes whatever is uncertain, so a generator that is unsure answers with an average: a murmur. A critic asks
#   another question: could *anybody's* speech sound like this?
# - One critic hears samples, one sees log spectra. Both play the Wasserstein game of lesson 15, their slopes kept near 1
#   between true and generated speech.
#
# $$L_G = -0.1 \sum_i D_i(\hat y) + 140\, L_{\mathrm{ear}} + 50\, L_{\mathrm{power}} + 0.4\, L_{\mathrm{MFCC}}$$
#
# The last three weights are the paper's, from memory; the first is ours: our critics' slopes would drown the rest.

# %%
D = talking.Critics()
batch = talking.crop(test.frames[:4], test.x[:4])
judged = D.judge(batch[1]), D.judge(G(batch[0]).detach())
for name, real, fake in zip(("samples", "spectra"), *judged):
    print(f"{name}: true {real.mean():+.3f}, generated {fake.mean():+.3f}")
print(f"loss of the critics {float(losses.critics(G, D, batch).detach()):.2f}")

# %% [markdown]
# Almost all of that loss is the penalty, $10\,(|\nabla D| - 1)^2$ for each: fresh critics are flat.
#
# ## Train it
#
# A short game, live. The system's row below was made with the same function and more rounds.

# %%
train = talking.talk("train", lesson.n_train)
settings = {"seed": lesson.seed, "batch_size": lesson.batch_size}
settings["device"] = lesson.device
G, duel = talking.train_speech("paper", train, ear, steps=lesson.steps, **settings)
first, last = duel.generator_losses[0], duel.generator_losses[-1]
print(f"{lesson.steps} rounds: loss of the generator {first:.0f} -> {last:.0f}")

# %% tags=["hide-input"] mystnb={"image": {"alt": "Loss of the generator over rounds: it falls steeply at first, then slowly, with noise"}}
fig, ax = plt.subplots(figsize=(6, 2.2), layout="constrained")
ax.plot(duel.generator_losses, label="generator")
ax.plot(duel.discriminator_losses, label="critics", alpha=0.6)
ax.set(xlabel="round", ylabel="loss")
ax.legend();

# %%
short = talking.judge_speech(G, recogniser, ear, test)
print(f"{'a blind guess in each slot':38s}{3 / 4:.3f}")
for name in ("WER", "WER, wrong face", "WER, true speech through the vocoder"):
    print(f"{name:38s}{short[name]:.3f}")

# %% [markdown]
# - **Wrong face:** the speech made from each clip, scored against a stranger's sentence. A generator that ignored the picture
#   would score the same both ways.
# - It lies above $3/4$, for the recogniser at times hears a word and its double inside one mumbled word: added words.

# %% [markdown]
# ## Listen
#
# Now the generator that trained for longer: 1,500 rounds, about 7 minutes of a processor, by the command on its card.

# %%
G = train_talking.stored_speech().to(lesson.device)
card = train_talking.stored_card()
print(card["command"], "\n", card["scores"])
long = talking.judge_speech(G, recogniser, ear, test)
print(f"WER {long['WER']:.3f} on {lesson.n_test} of them; sight leaves {by_sight:.3f}")

# %%
small = render_speech([HERS], split="test")  # 32 x 32, as in training
made = talking.speak(G, small.frames.to(lesson.device))
far = int(order[0])
wrong = talking.speak(G, test.frames[far : far + 1].to(lesson.device))
print("said           ", *said)
for name, y in (("true", big.mono), ("generated", made), ("a stranger's", wrong)):
    print(f"{name:15s}", *lexicon.sentence(listeners.transcribe(recogniser, y)[0]))

# %%
players = [
    show.clip(replace(big, waveform=y[:, None]), caption=caption, min_side_px=192)
    for y, caption in (
        (big.mono, "True speech."),
        (made, "Generated from this mouth, never heard before."),
        (wrong, "Generated from another's mouth: out of step with this one."),
    )
]
show.row(players)

# %% tags=["hide-input"]
fig, axes = stack(3)
picture_row(axes[0], big.frames[0])
rows = ((big.mono, "true"), (made, "generated"), (wrong, "from another's mouth"))
for ax, (y, title) in zip(axes[1:], rows):
    spectrum_row(ax, y[0], title)
axes[-1].set(xlim=(0.16, 1.84), xlabel="seconds")
show.figure(fig, alt="Mouths above three spectrograms: true and generated speech have "
            "formants and hisses at the same times, the stranger's has them at others")

# %% [markdown]
# - Formants move as they should, closures and hisses stand at their places. Harmonics blur: how high her voice is, the face
#   tells only roughly.
# - Where a word has a double, a mumble between both comes out, in which the recogniser may even hear the two of them.

# %% [markdown]
# ## Which words are lost?
#
# The recogniser gives one word for each said, or more, or none. Where it gives four, we can put them side by side.

# %%
y = talking.speak(G, test.frames.to(lesson.device))
found = listeners.transcribe(recogniser, y)
both = [(w, f) for w, f in zip(test.words.tolist(), found) if len(f) == 4]
pairs = [(a, b) for w, f in both for a, b in zip(w, f)]
kinds = {"right": 0, "its double": 0, "another": 0}
for a, b in pairs:
    kind = "its double" if doubles.get(a) == b else "another"
    kinds["right" if a == b else kind] += 1
print(f"{len(pairs)} words side by side:", kinds)

# %%
errors = speech.word_errors(test.words.tolist(), found)
print(errors, f"WER {errors.rate:.3f}")

def one_name(sentences):  # a word and its double get one number
    return [[min(w, doubles.get(w, w)) for w in s] for s in sentences]

merged = speech.word_error_rate(one_name(test.words.tolist()), one_name(found))
print(f"doubles counted as one word: WER {merged:.3f}")

# %% [markdown]
# Nearly all that is lost is what cannot be seen. Score a lip reader against 0 and you ask for clairvoyance; score it against
# what sight leaves, and it is close to done.
#
# ## Turn a knob: whose face?
#
# The same generator on other unseen speakers.

# %%
def whose(clip=0, sound="generated"):
    fig, axes = stack(1)
    picture_row(axes[0], test.frames[clip])
    x = {"generated": y, "true": test.x}[sound][clip]
    words = " ".join(lexicon.sentence(test.words[clip]))
    spectrum_row(axes[1], x, f"{sound}: {words}")
    axes[1].set(xlim=(0.16, 1.84), xlabel="seconds")
    return fig

# %%
show.explore(
    whose, {"clip": [0, 3, 5, 8], "sound": ["generated", "true"]},
    caption="Formants follow the mouth; the spacing of harmonics follows the face.",
    alt="A row of mouths above the spectrogram of generated speech, for several clips",
)

# %% [markdown]
# ## Is it in step?
#
# Shift the generated speech against the true one, and compare envelopes: the curve must be highest at 0.

# %%
def envelope_25(x):
    return speech.envelope(x).unflatten(1, (-1, 320)).mean(2)  # [clip, frame]

a, b = (e - e.mean(1, keepdim=True) for e in (envelope_25(y), envelope_25(test.x)))
scores = [float((a.roll(k, 1) * b).sum() / (a.norm() * b.norm())) for k in range(-6, 7)]
best = max(range(13), key=lambda k: scores[k]) - 6
print(f"best shift {best}, correlation {max(scores):.2f}; a frame off {scores[5]:.2f}")

# %% [markdown]
# The **envelope** of a sound is the modulus of its *analytic signal*: drop negative frequencies, double the positive ones. The **envelope distance** is the root mean square
# of the difference of two envelopes. By hand, eight samples each:

# %%
k = torch.arange(8)
E = torch.exp(2j * torch.pi * k[:, None] * k / 8)  # columns: waves of 0 ... 7 turns
kept = torch.tensor([1, 2, 2, 2, 1, 0, 0, 0]) / 8  # 5, 6, 7 turns are -3, -2, -1

def rise_and_fall(x):
    return (E @ (kept * (E.conj() @ x.to(E.dtype)))).abs()

click, tone = (k == 2).float(), 0.8 * torch.cos(torch.pi * k / 4)
p, q = rise_and_fall(click), rise_and_fall(tone)
by_hand = sum((a - b) ** 2 / 8 for a, b in zip(p, q)) ** 0.5

# %%
assert_close(p, speech.envelope(click))
assert_close(by_hand, speech.envelope_distance(click, tone))
for name, e in (("click", p), ("tone", q)):
    print(f"{name:6s}", *(f"{v:.2f}" for v in e.tolist()))
print(f"envelope distance {by_hand:.3f}")

# %% [markdown]
# - The tone has its amplitude everywhere, whatever its phase. The click's envelope spreads: without its negative frequencies it is longer than one sample.
#
# The **STFT distance** of the same papers keeps phase: $\|X - Y\|_F$ of the complex spectra over $\sqrt{\text{frames}}$. By hand, a tone turned upside down:

# %%
from avcl_teach.features.spectral import stft

t = torch.arange(8000) / 8000
tone, other = 0.8 * torch.cos(880 * torch.pi * t), 0.3 * torch.cos(600 * torch.pi * t)
X, Y = (stft(x, n_fft=512, hop_length=160) for x in (tone, -tone))  # [bin, frame]
frames = zip(X.T.tolist(), Y.T.tolist())
totals = [sum(abs(a - b) ** 2 for a, b in zip(x, y)) for x, y in frames]
by_hand = (sum(totals) / len(totals)) ** 0.5
assert_close(torch.tensor(by_hand), speech.stft_distance(tone, -tone))
print(f"upside down: STFT {by_hand:.2f}", end="; ")
print(f"envelope {speech.envelope_distance(tone, -tone):.3f}")

# %%
apart = speech.envelope_distance(tone, other)
print(f"two tones, 0.8 and 0.3: envelopes {apart:.3f} apart")
for name, x in (("generated", y), ("a stranger's", y[order]), ("silence", 0 * y)):
    shape = speech.envelope_distance(x, test.x).mean()
    exact = speech.stft_distance(x, test.x).mean()
    print(f"{name:13s} envelopes {shape:.3f}   STFT {exact:.2f}")

# %% [markdown]
# - Generated speech has phases found anew (Griffin and Lim), so the STFT distance calls it as far as a stranger's, and silence nearer than both. Compare its magnitudes or
#   its envelope.

# %% [markdown]
# ## What breaks
#
# The paper's claims: without the power loss words are lost; without the critics speech sounds less natural (here: the Fréchet
# distance of single moments' spectra, 8 bands and 4 measures of ripple). One seed live, as many rounds as the short game:

# %%
arms = {"paper": short}
for arm in ("no power", "no critics"):
    one, _ = talking.train_speech(arm, train, ear, steps=lesson.steps, **settings)
    arms[arm] = talking.judge_speech(one, recogniser, ear, test)

# %%
for arm, figures in arms.items():
    print(f"{arm:14s} WER {figures['WER']:.3f}   Fréchet {figures['Frechet']:6.1f}")
print(f"true speech against true: Fréchet {short['Frechet, true']:.1f}")

# %% [markdown]
# One seed decides nothing. The row of the table over three seeds, each with other sentences, weights and batches:

# %%
Markdown(lesson_rows("37"))

# %% [markdown]
# ## Real faces
#
# `avcl_teach.datasets.grid` reads the GRID corpus from the folder in which you have it: 33 filmed talkers, a thousand six-word
# sentences each. A file's name *is* its sentence.

# %%
from avcl_teach.datasets import grid

code_words = grid.words_of("bbaf2n")
print(code_words)
parts = grid.split_speakers([s for s in range(1, 35) if s != 21], n_val=4, n_test=4)
print({name: len(who) for name, who in parts.items()}, "test:", parts["test"])

# %% [markdown]
# A folder of that layout, with one sentence in it. It is a stand-in: the film is the clip above, and *her* words are others. (In the release on Zenodo, folders of
# alignments are permuted against those of speakers; the reader refuses such a pair, and `grid.pair_folders` finds which is whose.)

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from avcl_teach.samples import write_film

with TemporaryDirectory() as folder:
    write_film(big, Path(folder) / "s1" / "bbaf2n.mp4")
    times = [f"{5000 * k} {5000 * k + 4000} {w}" for k, w in enumerate(code_words)]
    # an alignment counts 25,000 a second
    (Path(folder) / "s1" / "bbaf2n.align").write_text("\n".join(times))
    (found_one,) = grid.find_utterances(folder, speakers=[1])
    one = grid.load_utterance(found_one, size_px=32)
print("speaker", found_one.speaker, tuple(one.frames.shape), tuple(one.waveform.shape))
print("words at", [round(v, 2) for v in one.extra["word_s"][0, :, 0].tolist()], "s")

# %% [markdown]
# - Published GRID numbers come from two protocols: speakers *seen* in training, and *unseen* ones. 23.1 in Table 1 stands
#   without its protocol, so compare it with nothing.
#
# ### Exercise 5 (open-ended): A voice that fits the face
# ★★★ · 45 minutes
#
# The generator guesses the pitch from the face. Let it be told: give it two seconds of the speaker's voice as a second input
# (from *another* clip). Which figures should improve, which should not?
#
# | | 0 | 1 | 2 |
# |---|---|---|---|
# | The voice given | the clip's own sound | another clip's, same speaker | the same, and a stranger's as a control |
# | Pitch | not looked at | spectrograms | measured, against `f0_hz` of the world |
# | Words | not looked at | WER | WER beside what sight leaves |
# | Seeds | one | three | three, with interval and verdict |
# | Choice of settings | on test | on training | on the split "val" |

# %% [markdown]
# ## Recap
#
# - A silent mouth holds more than one voice: homophenes set a floor that no generator passes. Here it is a quarter of the
#   words, and the long run reaches it.
# - WER counts exchanged, missing and added words over words said, by the cheapest alignment. Print its floor, its ceiling and
#   the wrong face beside it.
# - The judge hears true speech only in its training, and is another network than the ear in the loss.
# - Decoding in step with the frames keeps time; comparisons say the right words; what critics add must be measured apart
#   from words.

# %% [markdown]
# **Rows of Table 1 that build on this:** Mira 2021 (printed as "Adv.L", "Unsupervised"). Athanasiadis 2020 goes from faces to
# spectrograms too (lesson 36).
#
# **To read:** Mira et al. (2021), the system; Griffin and Lim (1984), phases; Gulrajani et al. (2017), the penalty; Vilaça et
# al. (2022), section 3.1.
