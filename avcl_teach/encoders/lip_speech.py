"""From moving lips to speech: an encoder of frames, a decoder in step with them, two critics of the sound."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from avcl_teach.features.spectral import stft

N_FFT, HOP = 256, 80  # of the spectra that are generated and judged: four to a frame of 40 ms at 8 kHz
PER_FRAME = 4
EPS = 1e-3  # added to every magnitude before its logarithm, generated or true: one eps for both
LOUDEST = 8.0  # no log magnitude above this: without a power loss they would run away
SLOPE = 0.2


def log_spectrum(x: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip freq frame"]:
    """Return ln(|STFT| + 0.001) with 129 bins and a frame every 10 ms. Lesson: 37."""
    X = stft(x, n_fft=N_FFT, hop_length=HOP)
    return (X.real.square() + X.imag.square() + 1e-12).sqrt().add(EPS).log()


class LipReader(nn.Module):
    """Read frames of a mouth, each with its neighbours: [clip, time, dim].

    A convolution over space and time (3 frames, patches of 4), two over space, then a GRU both ways. In step:
    output t belongs to frame t. The paper has a 3-D convolution, a ResNet-18 and two layers of GRU.
    Errors: ValueError for frames that are not square, or a side that 16 does not divide.
    Source: after Mira et al. 2021. Lesson: 37.
    """

    def __init__(self, dim: int = 128, *, width: int = 24, size_px: int = 32):
        super().__init__()
        if size_px % 16:
            raise ValueError(f"expected size_px in steps of 16, got {size_px}")
        self.size_px = size_px
        self.patches = nn.Conv3d(3, width, (3, 4, 4), (1, 4, 4), (1, 0, 0))
        self.norms = nn.ModuleList([nn.GroupNorm(4, width), nn.GroupNorm(4, 2 * width)])
        self.shapes = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.frame = nn.Linear(2 * width * (size_px // 8) ** 2, dim)
        self.gru = nn.GRU(dim, dim // 2, batch_first=True, bidirectional=True)

    def forward(self, frames: UInt8[Tensor, "clip time 3 h w"]) -> Float[Tensor, "clip time dim"]:
        """Encode every frame."""
        if frames.ndim != 5 or frames.shape[2:] != (3, self.size_px, self.size_px):
            raise ValueError(
                f"expected frames [clip, time, 3, {self.size_px}, {self.size_px}], got {tuple(frames.shape)}"
            )
        x = frames.float().div(127.5).sub(1).movedim(2, 1)
        x = F.leaky_relu(self.norms[0](self.patches(x).movedim(1, 2).flatten(0, 1)), SLOPE)
        x = F.leaky_relu(self.norms[1](self.shapes(x)), SLOPE).flatten(1)
        h = F.leaky_relu(self.frame(x), SLOPE).unflatten(0, frames.shape[:2])
        return h + self.gru(h)[0]


class SpeechGenerator(nn.Module):
    """Turn frames of a mouth into sound, frame by frame: 40 ms a frame, neighbours blended.

    Transposed convolutions in time lift each frame to four spectra of 129 log magnitudes; the spectra, with
    phases that `sound_of` finds for them, overlap-add to the waveform (inverse STFT). The paper's
    decoder emits samples itself; magnitudes are what a minute of a processor can learn.
    Source: after Mira et al. 2021 (reconstruction, shrunk). Lesson: 37.
    """

    def __init__(self, dim: int = 128, *, width: int = 24, size_px: int = 32):
        super().__init__()
        self.reader = LipReader(dim, width=width, size_px=size_px)
        self.up = nn.ModuleList([nn.ConvTranspose1d(dim, dim, 4, 2, 1) for _ in range(2)])
        self.out = nn.Conv1d(dim, N_FFT // 2 + 1, 3, padding=1)
        nn.init.constant_(self.out.bias, -4.0)

    def spectra(self, frames: UInt8[Tensor, "clip time 3 h w"]) -> Float[Tensor, "clip freq frame"]:
        """Return log magnitudes, 4 time + 1 spectra, the last one repeated."""
        h = self.reader(frames).mT
        for layer in self.up:
            h = F.leaky_relu(layer(h), SLOPE)
        return F.pad(self.out(h), (0, 1), mode="replicate")

    def forward(
        self, frames: UInt8[Tensor, "clip time 3 h w"], *, n_steps: int = 2, seed: int = 0
    ) -> Float[Tensor, "clip sample"]:
        """Return 320 samples a frame."""
        return sound_of(self.spectra(frames), n_steps=n_steps, seed=seed)


def sound_of(
    L: Float[Tensor, "clip freq frame"], *, n_steps: int = 4, seed: int = 0
) -> Float[Tensor, "clip sample"]:
    """Turn log magnitudes into sound: phases by Griffin and Lim, without gradient, then the inverse STFT.

    Errors: those of `features.inversion.griffin_lim`. Lesson: 37.
    """
    from avcl_teach.features.inversion import griffin_lim

    L = LOUDEST - F.softplus(LOUDEST - L)  # L itself, but for what no speech reaches
    M = L.exp() - EPS
    M = M.clamp_min(0) + 1e-6
    with torch.no_grad():
        X = stft(griffin_lim(M, n_fft=N_FFT, hop_length=HOP, n_steps=n_steps, seed=seed), n_fft=N_FFT,
                 hop_length=HOP)  # fmt: skip
        direction = X / X.abs().clamp_min(1e-9)
    w = torch.hann_window(N_FFT, device=L.device)
    return torch.istft(M * direction, N_FFT, HOP, window=w)


class WaveCritic(nn.Module):
    """Judge samples: strided convolutions over the waveform, one number a clip. Lesson: 37."""

    def __init__(self, width: int = 12):
        super().__init__()
        widths = (1, width, 2 * width, 4 * width, 4 * width)
        steps = (4, 4, 4, 2)
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 15 if k == 0 else 9, s, 4)
            for k, (a, b, s) in enumerate(zip(widths[:-1], widths[1:], steps, strict=True))
        )
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, x: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip"]:
        """Return one number a clip, high for real."""
        h = 10 * x[:, None]
        for layer in self.layers:
            h = F.leaky_relu(layer(h), SLOPE)
        return self.head(h.mean(2))[:, 0]


class PowerCritic(nn.Module):
    """Judge log spectra: strided convolutions over frequency and time, one number a clip. Lesson: 37."""

    def __init__(self, width: int = 8):
        super().__init__()
        widths = (1, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 5, 2, 2) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.head = nn.Linear(widths[-1] * 17, 1)

    def forward(self, L: Float[Tensor, "clip freq frame"]) -> Float[Tensor, "clip"]:
        """Return one number a clip, high for real."""
        h = (L[:, None] + 2) / 2
        for layer in self.layers:
            h = F.leaky_relu(layer(h), SLOPE)
        return self.head(h.mean(3).flatten(1))[:, 0]
