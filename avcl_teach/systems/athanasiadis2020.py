"""Athanasiadis, Hortal and Asteriadis 2020 (dacssGAN): faces turned into voices, to teach a voice classifier.

From memory, but for the title: a conditional, semi-supervised GAN from face to spectrogram, conditioned by
inductive conformal prediction; accuracy with generated voices 49.34 -> 50.29 % and 46.90 -> 48.65 %; the
formulas are a reconstruction. Kept: the condition is a set of labels, 0/1, possibly several; D says real or
not and names the emotion; unlabelled voices reach D alone. Shrunk: 32 x 32 faces and log-mels, an encoder and
a decoder without skips (a pixel of a face is no place of a spectrogram). Faces that are translated belong to
other clips than the voices: nothing is paired. Avoided: sets from faces the classifier was trained on, a
level chosen on test, a Fréchet distance without its features' name. Lesson: 36.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.face_voice_pictures import QUADRANTS, FaceVoices, FaceVoiceSplit, faces_and_voices
from avcl_teach.encoders.adversarial import Discriminator
from avcl_teach.encoders.conditions import PredictionHead, conformal_sets
from avcl_teach.encoders.small_pictures import PictureGenerator, PictureTrunk
from avcl_teach.metrics.affect import uar
from avcl_teach.metrics.frechet import frechet_distance
from avcl_teach.metrics.generation import nearest_distance
from avcl_teach.metrics.wrong_partners import wrong_partners
from avcl_teach.objectives.adversarial import (
    class_set_loss,
    discriminator_log_loss,
    generator_log_loss,
    r1_penalty,
)
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.training.two_player import fit_two

ABOUT = System(
    name="athanasiadis2020",
    paper="Athanasiadis, Hortal and Asteriadis 2020: dacssGAN",
    key="athanasiadis2020",
    lesson="36",
    task="voices from faces, to teach emotion recognition",
    metric="UAR",
    protocol="a voice classifier trained on 20 labelled voices a class and on voices generated from faces; "
    "four emotions of speakers never met",
    chance="1 / 4 emotions",
    ceiling="the same classifier trained on all voices, labelled",
    labels_used="emotion of all faces and of 20 voices a class",
    paired="nothing: faces and voices of different clips",
    survey_row="Audio & Video generation | Unsupervised | Adv | FID | 49.8/59.4 | CREMA-D/RAVDESS",
    correction="one direction only, faces to voices; semi-supervised by its title; the numbers are Fréchet "
    "distances (lower is better)",
    kept="a conformal set of labels as condition, D with an emotion head, unlabelled voices in D alone",
    claims=(Claim("Generated voices help a classifier with few labelled ones.", "paper", "real only"),),
    arms=("paper", "real only", "true label"),
)
SIZES = {
    "quick": {"n_train": 192, "n_test": 64, "n_few": 8, "steps": 3, "batch_size": 8, "classifier_steps": 8},
    "cpu": {"n_train": 1536, "n_test": 512, "n_few": 20, "steps": 500, "batch_size": 32,
            "classifier_steps": 250},
    "gpu": {"n_train": 6144, "n_test": 1024, "n_few": 20, "steps": 5000, "batch_size": 64,
            "classifier_steps": 1000},
}  # fmt: skip
K, DIM, WIDTH, LEVEL, TIMES = len(QUADRANTS), 64, 24, 0.8, 4
Sets = Bool[Tensor, "n class"]


class EmotionNet(nn.Module):
    """Name the emotion of a face (2 channels) or a voice (1 channel), a picture of 32 x 32 either way."""

    def __init__(self, n_channels: int, *, dim: int = 32, width: int = 16):
        super().__init__()
        self.trunk = PictureTrunk(dim, n_channels=n_channels, width=width, dropout=0.5)
        self.classes = nn.Linear(dim, K)

    def forward(self, x: Float[Tensor, "n channel 32 32"]) -> Float[Tensor, "n class"]:
        """Return the logits of the emotions."""
        return self.classes(self.trunk(x))


class FaceToVoice(nn.Module):
    """Translate a face into a log-mel that shows an emotion of the set c: encode, join c and noise, decode."""

    def __init__(self, *, dim: int = DIM):
        super().__init__()
        self.encode = PictureTrunk(dim, n_channels=2, width=WIDTH)
        self.decode = PictureGenerator(dim + K, n_channels=1, width=WIDTH)

    def sample(self, face: Float[Tensor, "n 2 32 32"], c: Sets) -> Float[Tensor, "n 1 32 32"]:
        """Draw one voice for each face, with fresh noise."""
        return self.decode.sample(torch.cat([self.encode(face), c.to(face)], 1))


def learn_emotion(
    x: Tensor, y: Int[Tensor, "n"], *, steps: int, seed: int = 0, more: tuple[Tensor, Tensor] | None = None,
    device: str | torch.device = "cpu",
) -> EmotionNet:  # fmt: skip
    """Train a classifier on labelled pictures; with `more`, half of every batch is drawn from there."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EmotionNet(x.shape[1])

    def loss(net: EmotionNet, batch: tuple[Tensor, ...]) -> Tensor:
        if more is None:
            return F.cross_entropy(net(batch[0]), batch[1])
        some = torch.randint(len(more[1]), (len(batch[1]),), device=more[1].device)
        return F.cross_entropy(
            net(torch.cat([batch[0], more[0][some]])), torch.cat([batch[1], more[1][some]])
        )

    training.fit(net, loss, (x, y), steps=steps, batch_size=min(32, len(y)), lr=1e-3, weight_decay=0.1,
                 seed=seed, device=device, progress=False)  # fmt: skip
    return net


def label_sets(
    faces: FaceVoiceSplit, *, steps: int, level: float = LEVEL, seed: int = 0, device="cpu"
) -> tuple[Sets, FaceVoiceSplit]:
    """Predict sets of emotions for the last half of the faces, and return them with these faces.

    The classifier learns from the first third, its errors are counted on the next sixth.
    """
    a, b = faces.n_clips // 3, faces.n_clips // 2
    net = learn_emotion(faces.x_v[:a], faces.labels[:a], steps=steps, seed=seed, device=device)
    with torch.no_grad():
        p = torch.cat([net(x.to(device)).softmax(1).cpu() for x in faces.x_v[a:].split(256)])
    return conformal_sets(p[b - a :], p[: b - a], faces.labels[a:b], level=level), faces.rows(slice(b, None))


def few_labelled(labels: Int[Tensor, "n"], n_few: int) -> Int[Tensor, "few"]:
    """Return the rows of the first n_few voices of each emotion, the only ones whose label is read."""
    return torch.cat([(labels == c).nonzero()[:n_few, 0] for c in range(K)])


class Adaptation:
    """Hold both losses of the game; a batch is (face, set, an unlabelled voice)."""

    def __init__(self, voice: Tensor, label: Tensor, *, r1: float = 0.5) -> None:
        self.voice, self.label, self.r1 = voice, label, r1

    def discriminator(self, G: FaceToVoice, D: Discriminator, batch: tuple[Tensor, ...]) -> Tensor:
        """Tell real voices from drawn ones, and name the emotion of the few labelled ones."""
        face, c, voice = batch
        with torch.no_grad():
            fake = G.sample(face, c)
        some = torch.randint(len(self.label), (len(face),), device=self.label.device)
        named = F.cross_entropy(D.head.classify(D.trunk(self.voice[some])), self.label[some])
        quarter = len(voice) // 4
        return discriminator_log_loss(D(voice), D(fake)) + named + self.r1 * r1_penalty(D, voice[:quarter])

    def generator(self, G: FaceToVoice, D: Discriminator, batch: tuple[Tensor, ...]) -> Tensor:
        """Pass for real, and for an emotion of the set."""
        h = D.trunk(G.sample(*batch[:2]))
        return generator_log_loss(D.head(h)) + class_set_loss(D.head.classify(h), batch[1])


def adapt(
    faces: FaceVoiceSplit, sets: Sets, voices: FaceVoiceSplit, few: Tensor, *, steps: int, batch_size: int,
    seed: int = 0, device: str | torch.device = "cpu",
) -> FaceToVoice:  # fmt: skip
    """Train the translator; the label of a voice that is not one of the `few` is never read."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G = FaceToVoice()
        D = Discriminator(PictureTrunk(128, n_channels=1, width=WIDTH), PredictionHead(128, K))
    game = Adaptation(voices.x_a[few].to(device), voices.labels[few].to(device))
    n = min(faces.n_clips, voices.n_clips)
    data = faces.x_v[:n], sets[:n], voices.x_a[:n]
    return fit_two(G, D, game.generator, game.discriminator, data, steps=steps, batch_size=batch_size,
                   lr_generator=5e-4, lr_discriminator=1e-3, betas=(0.5, 0.9), average=0.99, seed=seed,
                   device=device).averaged  # fmt: skip


@torch.no_grad()
def generated(
    G: FaceToVoice, x_v: Tensor, sets: Sets, *, seed: int = 0, device: str | torch.device = "cpu"
) -> Float[Tensor, "n 1 32 32"]:
    """Draw a voice for each face with its set; the same seed draws the same noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = zip(x_v.split(256), sets.split(256), strict=True)
        return torch.cat([G.sample(x.to(device), c.to(device)).cpu() for x, c in pairs])


@torch.no_grad()
def recall_of(net: EmotionNet, split: FaceVoiceSplit, device: str | torch.device = "cpu") -> float:
    """Return the unweighted average recall of a voice classifier."""
    given = torch.cat([net(x.to(device)).argmax(1).cpu() for x in split.x_a.split(256)])
    return uar(given, split.labels, n_classes=K)


def train(
    seed: int, *, arm: str = "paper", budget: str = "cpu", device: str | torch.device = "cpu"
) -> tuple[FaceToVoice | None, FaceVoiceSplit, Sets, FaceVoices]:
    """Train the translator of one arm (none for "real only"); return it, its faces, their sets, and the data."""
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
    """Teach classifiers on few real voices, with and without generated ones, and with wrongly asked ones."""
    sizes, how = SIZES[budget], {"seed": seed, "device": device}
    voices = data.train.rows(slice(data.train.n_clips // 2))
    few = few_labelled(voices.labels, sizes["n_few"])

    def teach(more: tuple[Tensor, Tensor] | None = None) -> float:
        net = learn_emotion(voices.x_a[few], voices.labels[few], steps=sizes["classifier_steps"], more=more,
                            **how)  # fmt: skip
        return recall_of(net, data.test, device)

    told = learn_emotion(data.train.x_a, data.train.labels, steps=2 * sizes["classifier_steps"], **how)
    ceiling, alone = recall_of(told, data.test, device), teach()
    if G is None:
        return Outcome(alone, 1 / K, alone, ceiling, {"real only": alone})
    n, y = TIMES * len(few), faces.labels
    p = wrong_partners(y, seed=seed)
    drawn, wrong = (generated(G, faces.x_v[q], sets[q], **how) for q in (torch.arange(len(y)), p))
    return Outcome(
        teach((drawn[:n], y[:n])), 1 / K, teach((wrong[:n], y[:n])), ceiling,
        {"real only": alone, "once": teach((drawn[: len(few)], y[: len(few)])),
         **looks(told, drawn, faces, sets, data, device)},
    )  # fmt: skip


@torch.no_grad()
def looks(
    told: EmotionNet, drawn: Tensor, faces: FaceVoiceSplit, sets: Sets, data: FaceVoices, device
) -> dict[str, float]:
    """Compare generated voices with real ones: named as asked, Fréchet distance, and copies.

    Features: the last hidden layer (32 numbers) of the classifier that was told all voices. "nearest": how far
    a generated log-mel is from the nearest real one of training, over the same for a real one of test; a copy
    is near 0.
    """
    real, test = data.train.x_a[: data.train.n_clips // 2], data.test.x_a
    n = min(len(drawn), len(test), len(real))
    h = [told.trunk(x[:n].to(device)).cpu() for x in (drawn, test, real)]
    named = told(drawn.to(device)).argmax(1).cpu()
    near = [float(nearest_distance(x.flatten(1), real.flatten(1)).median()) for x in (drawn, test)]
    return {
        "named as the face": float((named == faces.labels).double().mean()),
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
