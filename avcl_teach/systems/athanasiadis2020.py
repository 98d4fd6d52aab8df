"""Athanasiadis, Hortal and Asteriadis 2020 (dacssGAN): faces turned into voices, to teach a voice classifier.

From memory, but for the title: a conditional, semi-supervised GAN from face to spectrogram, conditioned by
inductive conformal prediction; accuracy with generated voices 49.34 -> 50.29 % and 46.90 -> 48.65 %; the
formulas are a reconstruction. Kept: the condition is a set of labels, 0/1, possibly several; D says real or
not and names the emotion; unlabelled voices reach D alone. Shrunk: 32 x 32 faces and log-mels, an encoder and
a decoder without skips (a pixel of a face is no place of a spectrogram), two states of arousal for four
emotions (voices of the world hardly tell valence). Faces that are translated belong to other clips than the
voices: nothing is paired. Avoided: sets from faces the classifier was trained on, a level chosen on test, a
Fréchet distance without its features' name. Lesson: 36.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from avcl_teach.comparison.face_voice_pictures import FaceVoices, FaceVoiceSplit, faces_and_voices
from avcl_teach.metrics.affect import uar
from avcl_teach.metrics.frechet import frechet_distance
from avcl_teach.metrics.generation import nearest_distance
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.systems._faces_to_voices import (
    FaceToVoice,
    K,
    Sets,
    VoiceReader,
    adapt,
    few_labelled,
    generated,
    label_sets,
    learn_emotion,
    recall_of,
)
from avcl_teach.table1 import Claim, Outcome, System

ABOUT = System(
    name="athanasiadis2020",
    paper="Athanasiadis, Hortal and Asteriadis 2020: dacssGAN",
    key="athanasiadis2020",
    lesson="36",
    task="voices from faces, to teach emotion recognition",
    metric="UAR",
    protocol="a classifier of real voices names the state of the face in voices generated from faces whose "
    "labels the translator never read (beside it: what they add to 20 real labelled voices a state)",
    chance="1 / 2 states",
    ceiling="the same classifier on real voices of speakers never met",
    labels_used="state of all faces and of 20 voices a class; the classifier that judges knows all voices",
    paired="nothing: faces and voices of different clips",
    survey_row="Athanasiadis et al., 2020 | Adv.L | Unsupervised | Audio & Video Generation | FID | "
    "49.8/59.4 | CREMA-D/RAVDESS",
    correction="one direction only, faces to voices; semi-supervised by its title; the numbers are Fréchet "
    "distances (lower is better)",
    kept="a conformal set of labels as condition, D with an emotion head, unlabelled voices in D alone",
    claims=(
        Claim(
            "Generated voices help a classifier with few labelled ones.", "paper", "real only", "with real"
        ),
    ),
    arms=("paper", "real only", "true label"),
)
SIZES = {
    "quick": {"n_train": 96, "n_test": 32, "n_few": 4, "steps": 3, "batch_size": 8, "classifier_steps": 8},
    "cpu": {"n_train": 1536, "n_test": 512, "n_few": 20, "steps": 400, "batch_size": 24,
            "classifier_steps": 150},
    "gpu": {"n_train": 6144, "n_test": 1024, "n_few": 20, "steps": 5000, "batch_size": 64,
            "classifier_steps": 1000},
}  # fmt: skip
TIMES = 4  # generated voices beside one that is real and labelled


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[FaceToVoice | None, FaceVoiceSplit, Sets, FaceVoices]:
    """Train the translator of one arm (none for "real only"); return it, its faces, their sets, the data."""
    ABOUT.check(arm, budget, SIZES)
    sizes, how = SIZES[budget], {"seed": seed, "device": device}
    data = faces_and_voices(sizes["n_train"], sizes["n_test"], n_val=4, seed=seed)
    half = data.train.n_clips // 2
    if arm == "true label":
        faces = data.train.rows(slice(half, None))
        sets = F.one_hot(faces.labels, K).bool()
    else:
        sets, faces = label_sets(data.train, steps=sizes["classifier_steps"], **how)
    if arm == "real only":
        return None, faces, sets, data
    voices = data.train.rows(slice(half))  # of other clips than the faces that are translated
    few = few_labelled(voices.labels, sizes["n_few"])
    G = adapt(faces, sets, voices, few, steps=sizes["steps"], batch_size=sizes["batch_size"], **how)
    return G, faces, sets, data


def measure(
    G: FaceToVoice | None, faces: FaceVoiceSplit, sets: Sets, data: FaceVoices, *, seed: int = 0,
    budget: str = "cpu", device: str | torch.device = "cpu",
) -> Outcome:  # fmt: skip
    """Name generated voices, and teach classifiers by them, by few real ones, by both."""
    sizes, how = SIZES[budget], {"seed": seed, "device": device}
    voices = data.train.rows(slice(data.train.n_clips // 2))
    few = few_labelled(voices.labels, sizes["n_few"])

    def teach(x: Tensor, y: Tensor, more: tuple[Tensor, Tensor] | None = None) -> float:
        steps = sizes["classifier_steps"]
        nets = (learn_emotion(x, y, steps=steps, more=more, seed=k, device=device) for k in (seed, seed + 1))
        return sum(recall_of(net, data.test, device) for net in nets) / 2

    told = learn_emotion(data.train.x_a, data.train.labels, steps=2 * sizes["classifier_steps"], **how)
    ceiling, real = recall_of(told, data.test, device), (voices.x_a[few], voices.labels[few])
    alone = teach(*real)
    if G is None:
        nothing = 1 / K  # where no voice is generated
        return Outcome(nothing, 1 / K, nothing, ceiling, {"with real": alone, "real only": alone})
    y = faces.labels
    each = few_labelled(y, int(y.bincount().min()))  # as many of each state, one state after the other
    other = each[
        wrong_partners(torch.arange(len(each)), seed=seed)
    ]  # any other face, with its set: of either state
    x, wrong = (generated(G, faces.x_v[rows], sets[rows], **how) for rows in (each, other))
    once, some = (few_labelled(y[each], k * sizes["n_few"]) for k in (1, TIMES))
    return Outcome(
        named_as(told, x, y[each], device), 1 / K, named_as(told, wrong, y[each], device), ceiling,
        {"generated only": teach(x, y[each]), "real only": alone,
         "with real": teach(*real, (x[some], y[each][some])),
         "with real, once": teach(*real, (x[once], y[each][once])),
         "with real, wrong faces": teach(*real, (wrong[some], y[each][some])),
         **looks(told, x, faces.rows(each), sets[each], data, device)},
    )  # fmt: skip


@torch.no_grad()
def named_as(told: VoiceReader, x: Tensor, y: Tensor, device: str | torch.device = "cpu") -> float:
    """Return the unweighted average recall of the states y in generated voices."""
    return uar(torch.cat([told(part.to(device)).argmax(1).cpu() for part in x.split(256)]), y, n_classes=K)


@torch.no_grad()
def looks(
    told: VoiceReader, drawn: Tensor, faces: FaceVoiceSplit, sets: Sets, data: FaceVoices, device
) -> dict[str, float]:
    """Compare generated voices with real ones: named within the set, Fréchet distance, and copies.

    Features: the last hidden layer (64 numbers) of the classifier that was told all voices. "nearest": how
    far a generated log-mel is from the nearest real one of training, over the same for a real one of test; a
    copy is near 0.
    """
    real, test = data.train.x_a[: data.train.n_clips // 2], data.test.x_a
    n = min(len(drawn), len(test), len(real))
    evenly = torch.linspace(0, len(drawn) - 1, n).long()  # they lie state by state
    h = [told.features(x.to(device)).cpu() for x in (drawn[evenly], test[:n], real[:n])]
    named = told(drawn.to(device)).argmax(1).cpu()
    near = [float(nearest_distance(x.flatten(1), real.flatten(1)).median()) for x in (drawn, test)]
    return {
        "named within the set": float(sets.gather(1, named[:, None]).double().mean()),
        "size of the set": float(sets.sum(1).double().mean()),
        "set holds the truth": float(sets.gather(1, faces.labels[:, None]).double().mean()),
        "frechet": frechet_distance(h[0], h[1]), "frechet, real": frechet_distance(h[2], h[1]),
        "nearest": near[0] / near[1],
    }  # fmt: skip


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train and judge one arm. Errors: ValueError for an arm or budget that is not there."""
    found = train(seed, arm=arm, budget=budget, device=device)
    return measure(*found, seed=seed, budget=budget, device=device)
