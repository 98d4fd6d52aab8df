"""Events without labels: near is a match, a cluster is a class."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avcl_teach.comparison.event_pairs import Events
from avcl_teach.objectives.gram_triplets import gram, gram_distance

SHARE_OF_MATCHES = 0.4


def mean_of_rows(x: Float[Tensor, "*batch row dim"]) -> Float[Tensor, "*batch dim"]:
    """Return the mean of the rows, each scaled to length 1, itself scaled to length 1."""
    return F.normalize(F.normalize(x, dim=-1).mean(-2), dim=-1)


class ClusterLocalizer:
    """Call an event where sound and picture lie near each other, and name it by the cluster it falls into.

    Fitted on the training cut: the threshold is the quantile that leaves the share of matches told; k-means
    finds as many clusters as classes among the segments called; each gets one class, the assignment with the
    most segments right. Names are all that labels are used for.
    """

    def __init__(
        self, net: nn.Module, data: Events, *, means: bool = False, device: str | torch.device = "cpu"
    ):
        from scipy.optimize import linear_sum_assignment
        from sklearn.cluster import KMeans

        self.net, self.means, self.device, self.none = net, means, device, data.n_classes
        z, d = self.describe(data.train.x_a, data.train.x_v)
        self.threshold = d.quantile(SHARE_OF_MATCHES)
        called, y = d < self.threshold, data.train.target
        self.clusters = KMeans(self.none, n_init=4, random_state=0).fit(z[called].double().numpy())
        k = torch.as_tensor(self.clusters.labels_).long()
        both = torch.zeros(self.none, self.none + 1)
        both.index_put_((k, y[called]), torch.ones(len(k)), accumulate=True)
        self.names = torch.as_tensor(linear_sum_assignment(-both[:, :-1].numpy())[1])

    @torch.no_grad()
    def describe(self, x_a: Tensor, x_v: Tensor) -> tuple[Tensor, Tensor]:
        """Return a description of each segment and the distance between its sound and its picture."""
        a, v = (x.cpu() for x in self.net(x_a.to(self.device), x_v.to(self.device)))
        if self.means:
            z = torch.stack([mean_of_rows(a), mean_of_rows(v)], dim=-2)
            return z.flatten(2), (z[..., 0, :] - z[..., 1, :]).square().sum(-1)
        return torch.cat([gram(a).flatten(2), gram(v).flatten(2)], dim=-1), gram_distance(a, v)

    def __call__(self, x_a: Tensor, x_v: Tensor) -> tuple[Tensor, Tensor]:
        """Answer each segment, and say how near its sound and picture are: [clip, segment] both."""
        z, d = self.describe(x_a, x_v)
        k = torch.as_tensor(self.clusters.predict(z.flatten(0, 1).double().numpy())).long()
        return torch.where(d < self.threshold, self.names[k].view(d.shape), self.none), -d
