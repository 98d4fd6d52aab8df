"""The other player of the bench: a modality discriminator with an optimiser of its own."""

import torch
from torch import Tensor, nn

from avcl_teach.encoders.adversarial import ModalityDiscriminator
from avcl_teach.objectives.adversarial import discriminator_log_loss, r1_penalty


class Referee(nn.Module):
    """Hold a modality discriminator beside two encoders that `comparison.train` trains: its `parameters`.

    After each step of the encoders D takes n_steps on the embeddings of that batch, detached, with an Adam of
    its own (Zheng et al. 2021a), a learning rate above theirs, and a penalty on its slope. The objective gets
    it as the keyword `discriminator`, its weights frozen. accuracy: share of the last batch that D told.
    Lesson: 15.
    """

    def __init__(
        self,
        dim: int,
        n_classes: int,
        *,
        lr: float = 5e-3,
        n_steps: int = 3,
        r1: float = 0.1,
        normalise: bool = True,
    ):
        super().__init__()
        judge = ModalityDiscriminator(dim, normalise=normalise)
        self.optimizer = torch.optim.Adam(judge.parameters(), lr=lr, betas=(0.5, 0.9))
        self.judges = [judge]  # in a list, so that the encoders' optimiser does not find its weights
        self.n_steps, self.r1, self.accuracy = n_steps, r1, float("nan")

    @property
    def discriminator(self) -> ModalityDiscriminator:
        """Return D."""
        return self.judges[0]

    def hyper(self, x_a: Tensor, x_v: Tensor, labels: Tensor) -> dict:
        """Pass D to the objective, frozen."""
        return {"discriminator": self.discriminator.requires_grad_(False)}

    def after_step(self, a: Tensor, v: Tensor, labels: Tensor, encoders: tuple) -> None:
        """Let D catch up on the embeddings of this step's batch."""
        D = self.discriminator.requires_grad_(True)
        for _ in range(self.n_steps):
            of_a, of_v = D(a), D(v)
            loss = discriminator_log_loss(of_a, of_v)
            loss = loss + self.r1 * r1_penalty(D, torch.cat([a, v])) if self.r1 else loss
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        self.accuracy = float(((of_a > 0).double().mean() + (of_v <= 0).double().mean()) / 2)
