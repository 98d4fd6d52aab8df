"""Mira, Vougioukas, Ma, Petridis, Schuller and Pantic 2021: from a silent talking face to its speech.

Verified (the authors' project page): an encoder of video frames and a decoder into the waveform, trained end
to end as a Wasserstein GAN with two critics (waveform, power spectrum) and three comparative losses
(perceptual, power, MFCC). From memory: front end of 3-D convolutions, ResNet-18 and two GRU layers; 640
samples a frame at 25 frames a second; gradient penalty 10; weights 140, 50, 0.4; several critic steps.
Shrunk: 32 x 32 pixels of a drawn mouth, 8 kHz, one 3-D and one 2-D convolution and one GRU; the decoder
emits four spectra of 129 magnitudes a frame, whose phases Griffin-Lim finds, in place of samples; the ear of
the perceptual loss names sounds of the world's training speech, in place of PASE; one critic step a round;
critics weigh 0.1. Faults avoided: picture and sound are cropped at one place (no frame of offset); one eps in
both log spectra; the recogniser that scores is trained on true speech alone and is not the ear of the loss;
nobody of the test speakers is in training. Lesson: 37.
"""

import torch

from avcl_teach.comparison.talking import ARMS, judge_speech, talk, train_speech
from avcl_teach.comparison.train_talking import stored_listeners
from avcl_teach.table1 import Claim, Outcome, System
from avcl_teach.world.variants.speech_audit import sight_floor

ABOUT = System(
    name="mira2021",
    paper="Mira, Vougioukas, Ma, Petridis, Schuller, Pantic 2021",
    key="mira2021",
    lesson="37",
    task="speech from video",
    metric="WER",
    protocol="unseen speakers; a frozen recogniser, trained on true speech, writes it down; "
    "(S + D + I) / N over all sentences",
    chance="any sentence of the grammar, said blindly: right in one word of four",
    ceiling="true speech through the same vocoder (sight alone cannot go below 25 %: half the words have a "
    "double on the lips)",
    labels_used="words and alignments, by the recogniser and the ear of the loss alone; the generator: none",
    paired="moving lips and the speech of one clip",
    survey_row="Mira et al., 2021 | Adv.L | Unsupervised | Video-2-Speech Generation | WER | 23.1/42.5 | "
    "GRID/LRW",
    correction="adversarial losses and three comparative ones (perceptual, power, MFCC); training is paired "
    "(self-supervised), WER needs a recogniser trained elsewhere; the split of GRID behind 23.1 is not said",
    kept="decoding in step with the frames, both critics with gradient penalty, all three comparative losses",
    claims=(
        Claim("without the power loss words are lost", ARMS[0], ARMS[1]),
        Claim("without critics speech sounds less natural", ARMS[0], ARMS[2], metric="naturalness"),
        Claim("without the perceptual loss words are lost", ARMS[0], ARMS[3]),
    ),
    arms=ARMS,
    mark="reconstruction",
    higher_is_better=False,
    unit="%",
)
SIZES = {
    "quick": {"n_train": 32, "n_test": 32, "steps": 2},
    "cpu": {"n_train": 640, "n_test": 160, "steps": 110},
    "gpu": {"n_train": 4096, "n_test": 512, "steps": 6000},
}


def run(
    seed: int, *, arm: str = ABOUT.arms[0], budget: str = "cpu", device: str | torch.device = "cpu"
) -> Outcome:
    """Train one arm and let the recogniser write down what it says.

    Errors: ValueError for an unknown arm or budget.

    ``extra``: "naturalness" is minus the Fréchet distance of spectra at single moments.
    """
    ABOUT.check(arm, budget, SIZES)
    size = SIZES[budget]
    recogniser, ear = stored_listeners()
    train, test = talk("train", size["n_train"], seed=seed), talk("test", size["n_test"], seed=seed)
    G, _ = train_speech(arm, train, ear, steps=size["steps"], seed=seed, device=device)
    found = judge_speech(G, recogniser, ear, test, seed=seed)
    return Outcome(
        100 * found["WER"],
        75.0,
        100 * found["WER, wrong face"],
        100 * found["WER, true speech through the vocoder"],
        {
            "strangers' true speech": 100 * found["WER, wrong face, true speech"],
            "true speech": 100 * found["WER, true speech"],
            "sight alone": 100 * sight_floor(),
            "naturalness": -found["Frechet"],
            "naturalness, true": -found["Frechet, true"],
            "power distance": found["power distance"],
            "mfcc distance": found["mfcc distance"],
            "envelope distance": found["envelope distance"],
        },
    )
