"""The parts of dacssGAN: a translator of faces into voices, its opponent, classifiers, conformal sets."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach import training
from avcl_teach.comparison.face_voice_pictures import STATES, FaceVoiceSplit
from avcl_teach.encoders.adversarial import SLOPE
from avcl_teach.encoders.conditions import conformal_sets
from avcl_teach.encoders.small_pictures import PictureGenerator, PictureTrunk
from avcl_teach.metrics.affect import uar
from avcl_teach.objectives.adversarial import (
    class_set_loss,
    discriminator_log_loss,
    generator_log_loss,
    r1_penalty,
)
from avcl_teach.training.two_player import fit_two

K, DIM, WIDTH, LEVEL = len(STATES), 64, 16, 0.85
MEAN, STD = 0.25, 0.18  # of the log-mels, about
Sets = Bool[Tensor, "n class"]


class FaceReader(nn.Module):
    """Name the emotion of a face and its motion, pictures of 32 x 32: places matter."""

    def __init__(self):
        super().__init__()
        self.trunk = PictureTrunk(32, n_channels=2, width=16, dropout=0.5)
        self.classes = nn.Linear(32, K)

    def forward(self, x: Float[Tensor, "n 2 32 32"]) -> Float[Tensor, "n class"]:
        """Return the logits of the emotions."""
        return self.classes(self.trunk(x))


class VoiceReader(nn.Module):
    """Name the emotion of a voice: mean and deviation over time of what three convolutions find.

    When something is said matters nothing, so little has to be learned from few voices. `features` are the 64
    numbers before the last layer.
    """

    def __init__(self, *, width: int = 16, dropout: float = 0.3):
        super().__init__()
        self.find = nn.Sequential(
            nn.Conv2d(1, width, (5, 3), padding=(2, 1)), nn.LeakyReLU(SLOPE), nn.AvgPool2d(2),
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(SLOPE), nn.AvgPool2d((2, 1)),
            nn.Conv2d(width, 2 * width, (8, 3), padding=(0, 1)), nn.LeakyReLU(SLOPE), nn.Flatten(2),
        )  # fmt: skip
        self.dropout, self.classes = nn.Dropout(dropout), nn.Linear(4 * width, K)

    def features(self, x: Float[Tensor, "n 1 32 32"]) -> Float[Tensor, "n feature"]:
        """Return what the classes are read off."""
        h = self.find((x - MEAN) / STD)
        return torch.cat([h.mean(2), (h.var(2) + 1e-6).sqrt()], 1)

    def forward(self, x: Float[Tensor, "n 1 32 32"]) -> Float[Tensor, "n class"]:
        """Return the logits of the emotions."""
        return self.classes(self.dropout(self.features(x)))


class VoiceOpponent(nn.Module):
    """Say of a log-mel whether it is real, and (`reader`) which emotion it has: D with two heads.

    Real or not is read off in the order of time, the emotion off means over time.
    """

    def __init__(self, *, width: int = WIDTH):
        super().__init__()
        self.reader, self.trunk = VoiceReader(), PictureTrunk(64, n_channels=1, width=width)
        self.score = nn.Linear(64 + 64, 1)

    def forward(self, x: Float[Tensor, "n 1 32 32"]) -> Float[Tensor, "n"]:
        """Return one logit a voice, high for real."""
        return self.score(torch.cat([self.trunk(x), self.reader.features(x)], 1)).squeeze(1)


class FaceToVoice(nn.Module):
    """Translate a face into a log-mel of an emotion of the set c: encode, join c and noise, decode."""

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
) -> nn.Module:  # fmt: skip
    """Train a reader of faces (2 channels) or voices (1); with `more`, half of every batch is from there."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = FaceReader() if x.shape[1] == 2 else VoiceReader()

    def loss(net: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        if more is not None:
            some = torch.randint(len(more[1]), (len(y),))
            x, y = torch.cat([x, more[0][some].to(x)]), torch.cat([y, more[1][some].to(y)])
        return F.cross_entropy(net(x), y)

    training.fit(net, loss, (x, y), steps=steps, batch_size=min(32, len(y)), lr=2e-3, weight_decay=0.05,
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

    def discriminator(self, G: FaceToVoice, D: VoiceOpponent, batch: tuple[Tensor, ...]) -> Tensor:
        """Tell real voices from drawn ones, and name the emotion of the few labelled ones."""
        face, c, voice = batch
        with torch.no_grad():
            fake = G.sample(face, c)
        some = torch.randint(len(self.label), (len(face),), device=self.label.device)
        named = F.cross_entropy(D.reader(self.voice[some]), self.label[some])
        quarter = len(voice) // 4
        return discriminator_log_loss(D(voice), D(fake)) + named + self.r1 * r1_penalty(D, voice[:quarter])

    def generator(self, G: FaceToVoice, D: VoiceOpponent, batch: tuple[Tensor, ...]) -> Tensor:
        """Pass for real, and for an emotion of the set."""
        x = G.sample(*batch[:2])
        return generator_log_loss(D(x)) + class_set_loss(D.reader(x), batch[1])


def adapt(
    faces: FaceVoiceSplit, sets: Sets, voices: FaceVoiceSplit, few: Tensor, *, steps: int, batch_size: int,
    seed: int = 0, device: str | torch.device = "cpu",
) -> FaceToVoice:  # fmt: skip
    """Train the translator; the label of a voice that is not one of the `few` is never read."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = FaceToVoice(), VoiceOpponent()
    game = Adaptation(voices.x_a[few].to(device), voices.labels[few].to(device))
    n = min(faces.n_clips, voices.n_clips)
    data = faces.x_v[:n], sets[:n], voices.x_a[:n]
    return fit_two(G, D, game.generator, game.discriminator, data, steps=steps, batch_size=batch_size,
                   lr_generator=1e-3, lr_discriminator=2e-3, betas=(0.5, 0.9), average=0.99, seed=seed,
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
def recall_of(net: nn.Module, split: FaceVoiceSplit, device: str | torch.device = "cpu") -> float:
    """Return the unweighted average recall of a voice classifier."""
    given = torch.cat([net(x.to(device)).argmax(1).cpu() for x in split.x_a.split(256)])
    return uar(given, split.labels, n_classes=K)
