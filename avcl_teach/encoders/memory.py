"""Memories outside the network's own state: slots that are written and read by content."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def address(
    keys: Float[Tensor, "batch n dim"], addresses: Float[Tensor, "*batch slot dim"]
) -> Float[Tensor, "batch n slot"]:
    r"""Say how much each key means each slot: $w = \mathrm{softmax}(k A^\top / \sqrt d)$ over the slots.

    Rows sum to 1. Errors: ValueError for keys and addresses of different dims. Lesson: 16.
    """
    if keys.shape[-1] != addresses.shape[-1]:
        raise ValueError(f"expected addresses of dim {keys.shape[-1]}, got {addresses.shape[-1]}")
    return (keys @ addresses.mT / keys.shape[-1] ** 0.5).softmax(-1)


def write_step(
    memory: Float[Tensor, "batch slot dim"],
    w: Float[Tensor, "batch slot"],
    value: Float[Tensor, "batch dim"],
    gate: Float[Tensor, "batch"],
    erase: Float[Tensor, "batch"],
) -> Float[Tensor, "batch slot dim"]:
    r"""Write one value into the slots that its key means, after erasing there.

    $$M_s \leftarrow (1 - g\,w_s\,e)\,M_s + g\,w_s\,v$$

    g in 0 ... 1 opens the gate, e in 0 ... 1 says how much of what is there goes. With g = e = 1 this moves
    a slot to v as far as the key means it, with e = 0 it adds up. Source: Graves et al. 2014 (erase and add,
    there an e for every feature), the gate ours. Lesson: 16.
    """
    strength = gate[:, None] * w
    stays = 1 - strength * erase[:, None]
    return stays[..., None] * memory + strength[..., None] * value[:, None]


def write_all(
    w: Float[Tensor, "batch n slot"],
    values: Float[Tensor, "batch n dim"],
    gate: Float[Tensor, "batch n"],
    erase: Float[Tensor, "batch n"] | None = None,
    memory: Float[Tensor, "batch slot dim"] | None = None,
) -> Float[Tensor, "batch slot dim"]:
    r"""Write a whole sequence at once: the same as `write_step` in a loop, as one product of matrices.

    What was written at t is multiplied by what every later step lets stay,
    $$M_s = M_{0s} \prod_t (1 - u_{ts}) + \sum_t g_t w_{ts} \prod_{r > t} (1 - u_{rs})\; v_t,\quad
      u_{ts} = g_t w_{ts} e_t,$$
    and the products are sums of logarithms, from the end to the front; a factor below 1e-6 counts as 1e-6.
    Without `erase` nothing is erased. Lesson: 16.
    """
    strength = gate[..., None] * w  # [batch, n, slot]
    if erase is None:
        added = strength.mT @ values
        return added if memory is None else memory + added
    stays = (1 - strength * erase[..., None]).clamp_min(1e-6).log()
    after = stays.sum(1, keepdim=True) - stays.cumsum(1)
    added = (strength * after.exp()).mT @ values
    return added if memory is None else stays.sum(1).exp()[..., None] * memory + added


class KeyValueMemory(nn.Module):
    r"""Keep what a sequence says in S slots, found by content, and answer queries from them.

    Slot s has a learned address $A_s$. A segment's key says where its value goes, a gate whether, an erase
    gate how much goes first (`write_step`); a query reads $r = \mathrm{softmax}(q A^\top/\sqrt d) M$. The
    memory starts empty at every call: nothing passes from one sequence to the next unless it is handed over.
    Shapes: x_key [batch, n, dim_key], x_value [batch, n, dim_value], x_query [batch, query, dim_key] ->
    [batch, query, dim]. mask [batch, n], True = a segment that is there; the others are never written.
    Errors: ValueError for sizes below 1, for other shapes, TypeError for a mask that is not Bool.
    Source: ours, made of known parts: fixed learned addresses as in Zhang et al. 2017
    (DKVMN), erase and add as in Graves et al. 2014, a write gate. Lesson: 16.
    """

    def __init__(
        self, dim_key: int, dim_value: int, *, n_slots: int = 16, dim: int = 32, erase: bool = True
    ) -> None:
        super().__init__()
        sizes = {"dim_key": dim_key, "dim_value": dim_value, "n_slots": n_slots, "dim": dim}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"expected {name} >= 1, got {size}")
        self.dim_key, self.dim_value, self.n_slots, self.dim = dim_key, dim_value, n_slots, dim
        self.addresses = nn.Parameter(torch.randn(n_slots, dim))
        self.to_key = nn.Linear(dim_key, dim)
        self.to_value = nn.Linear(dim_value, dim)
        self.to_gate = nn.Linear(dim_key + dim_value, 1)
        self.to_erase = nn.Linear(dim_key + dim_value, 1) if erase else None

    def forward(
        self,
        x_key: Float[Tensor, "batch n dim_key"],
        x_value: Float[Tensor, "batch n dim_value"],
        x_query: Float[Tensor, "batch query dim_key"],
        *,
        mask: Bool[Tensor, "batch n"] | None = None,
        memory: Float[Tensor, "batch slot dim"] | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """Write the sequence into an empty memory (or the one given), then read it for every query."""
        return self.read(self.write(x_key, x_value, mask=mask, memory=memory), x_query)

    def write(
        self,
        x_key: Float[Tensor, "batch n dim_key"],
        x_value: Float[Tensor, "batch n dim_value"],
        *,
        mask: Bool[Tensor, "batch n"] | None = None,
        memory: Float[Tensor, "batch slot dim"] | None = None,
    ) -> Float[Tensor, "batch slot dim"]:
        """Return the memory after the sequence."""
        self._check(x_key, x_value, mask, memory)
        gate = self.gates(x_key, x_value, mask=mask)
        both = torch.cat([x_key, x_value], -1)
        erase = None if self.to_erase is None else self.to_erase(both).sigmoid()[..., 0]
        w = address(self.to_key(x_key), self.addresses)
        return write_all(w, self.to_value(x_value), gate, erase, memory)

    def read(
        self, memory: Float[Tensor, "batch slot dim"], x_query: Float[Tensor, "batch query dim_key"]
    ) -> Float[Tensor, "batch query dim"]:
        """Return what the slots hold that the queries mean; queries and keys share one map."""
        return address(self.to_key(x_query), self.addresses) @ memory

    def gates(
        self,
        x_key: Float[Tensor, "batch n dim_key"],
        x_value: Float[Tensor, "batch n dim_value"],
        *,
        mask: Bool[Tensor, "batch n"] | None = None,
    ) -> Float[Tensor, "batch n"]:
        """Return how far the gate opens for each segment, 0 where the mask says there is none."""
        gate = self.to_gate(torch.cat([x_key, x_value], -1)).sigmoid()[..., 0]
        return gate if mask is None else gate.masked_fill(~mask, 0.0)

    def _check(self, x_key: Tensor, x_value: Tensor, mask: Tensor | None, memory: Tensor | None) -> None:
        """Raise where shapes do not fit together."""
        check_sequence(x_key, x_value, mask, (self.dim_key, self.dim_value))
        expected = [len(x_key), self.n_slots, self.dim]
        if memory is not None and list(memory.shape) != expected:
            raise ValueError(f"expected a memory [batch, slot, dim] = {expected}, got {list(memory.shape)}")


class NearestMemory(nn.Module):
    r"""Append every segment, and answer from the k whose keys are nearest to the query's.

    $$s_t = \tau^{-1} \cos(k_q, k_t),\qquad r = \sum_{t \in \mathrm{top}_k} \mathrm{softmax}_k(s)_t\, v_t$$

    Nothing is merged or erased: the memory grows with the sequence, up to `size` segments, of which the
    oldest go first. Without top-k this is attention with one head.
    Shapes: as `KeyValueMemory`. A query that finds nothing reads zeros. Errors: ValueError for sizes below 1
    or other shapes, TypeError for a mask that is not Bool.
    Source: in the manner of Wu et al. 2022 (Memorizing Transformers), whose memory gets
    no gradient. Lesson: 16.
    """

    def __init__(
        self,
        dim_key: int,
        dim_value: int,
        *,
        k: int = 4,
        dim: int = 32,
        size: int | None = None,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        sizes = {"dim_key": dim_key, "dim_value": dim_value, "k": k, "dim": dim}
        for name, n in (sizes | ({} if size is None else {"size": size})).items():
            if n < 1:
                raise ValueError(f"expected {name} >= 1, got {n}")
        if not temperature > 0:
            raise ValueError(f"expected temperature > 0, got {temperature}")
        self.dim_key, self.dim_value, self.k, self.size = dim_key, dim_value, k, size
        self.to_key, self.to_value = nn.Linear(dim_key, dim), nn.Linear(dim_value, dim)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(
        self,
        x_key: Float[Tensor, "batch n dim_key"],
        x_value: Float[Tensor, "batch n dim_value"],
        x_query: Float[Tensor, "batch query dim_key"],
        *,
        mask: Bool[Tensor, "batch n"] | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """Append the sequence, then read it for every query."""
        weights, index = self.found(x_key, x_query, mask=mask, x_value=x_value)
        values = self.to_value(x_value)[:, None].expand(-1, x_query.shape[1], -1, -1)
        picked = values.gather(2, index[..., None].expand(-1, -1, -1, values.shape[-1]))
        return (weights[..., None] * picked).sum(2)

    def found(
        self,
        x_key: Float[Tensor, "batch n dim_key"],
        x_query: Float[Tensor, "batch query dim_key"],
        *,
        mask: Bool[Tensor, "batch n"] | None = None,
        x_value: Float[Tensor, "batch n dim_value"] | None = None,
    ) -> tuple[Float[Tensor, "batch query k"], Int[Tensor, "batch query k"]]:
        """Return the weights of the k nearest segments and where in the sequence they are."""
        check_sequence(x_key, x_value, mask, (self.dim_key, self.dim_value))
        kept = self.kept(x_key, mask)
        keys, q = (F.normalize(self.to_key(x), dim=-1) for x in (x_key, x_query))
        scores = (q @ keys.mT * self.log_scale.exp()).masked_fill(~kept[:, None], -torch.inf)
        best, index = scores.topk(min(self.k, scores.shape[-1]), dim=-1)
        return best.softmax(-1).nan_to_num(), index

    def kept(
        self, x_key: Float[Tensor, "batch n dim_key"], mask: Bool[Tensor, "batch n"] | None
    ) -> Bool[Tensor, "batch n"]:
        """Say which segments are still in the memory: the last `size` of those that are there."""
        there = torch.ones(x_key.shape[:2], dtype=torch.bool, device=x_key.device) if mask is None else mask
        if self.size is None:
            return there
        newer = there.flip(1).cumsum(1).flip(1)  # this one and those after it
        return there & (newer <= self.size)


def check_sequence(x_key: Tensor, x_value: Tensor | None, mask: Tensor | None, dims: tuple[int, int]) -> None:
    """Raise ValueError unless keys and values are sequences of these dims with a common length and mask."""
    if x_key.ndim != 3 or x_key.shape[2] != dims[0]:
        raise ValueError(f"expected keys [batch, n, {dims[0]}], got {list(x_key.shape)}")
    wanted = [*x_key.shape[:2], dims[1]]
    if x_value is not None and list(x_value.shape) != wanted:
        raise ValueError(f"expected values [batch, n, dim_value] = {wanted}, got {list(x_value.shape)}")
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(f"expected a Bool mask, True = there, got {mask.dtype}")
    if mask.shape != x_key.shape[:2]:
        raise ValueError(f"expected a mask {wanted[:2]}, got {list(mask.shape)}")
