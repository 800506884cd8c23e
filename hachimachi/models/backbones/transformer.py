"""Transformer (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762) with rotary positions and a sliding window."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from hachimachi.models.backbones.backbone import Backbone, State
from hachimachi.plugins import register

HEAD = 32  # width of an attention head; there are as many as the size asks for, at least one
BASE = 10_000.0  # slowest rotation: about this many events for a radian


@register("backbone", "transformer")
class Transformer(Backbone):
    """Layers of causal attention over the last events and of a small network, each with a norm before and a residual.

    ``window`` is how many events a layer attends to, its own included; beyond a training window it has learned none.
    """

    input_weight = "in_proj.weight"

    def __init__(self, size_in: int, size: int = 128, layers: int = 2, dropout: float = 0.0, window: int = 64) -> None:
        super().__init__(size_in, size)
        self.window, self.heads = window, max(1, size // HEAD)
        self.in_proj = nn.Linear(size_in, size)
        self.layers = nn.ModuleList(TransformerLayer(size, self.heads) for _ in range(layers))
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return keys and values of no events yet, (B, layers, heads, 0, 32), and how many there were, (B,). Later
        there are at most window − 1 of them."""
        weight = self.norm.weight
        empty = weight.new_zeros(batch, len(self.layers), self.heads, 0, HEAD)
        return empty, empty, torch.zeros(batch, dtype=torch.int64, device=weight.device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`. Memory grows with the window, not with its square times T."""
        out = []
        for piece in x.split(self.window, dim=1):
            h, state = self._run(piece, state, self.dropout)
            out.append(h)
        return torch.cat(out, dim=1), state  # (B, T, H)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        h, state = self._run(x[:, None], state, lambda kept: kept)
        return h[:, 0], state  # (B, H)

    def _run(self, x: Tensor, state: State, drop: Callable[[Tensor], Tensor]) -> tuple[Tensor, State]:
        keys, values, count = state
        steps, cached = x.shape[1], keys.shape[3]
        stream, rotation = self.in_proj(drop(x)), rotations(count, steps, keys.dtype)
        mask = None
        if cached or steps > self.window:  # else plain causality says it
            query_at = torch.arange(cached, cached + steps, device=x.device)[:, None]
            distance = query_at - torch.arange(cached + steps, device=x.device)  # (T, cached + T)
            mask = (distance >= 0) & (distance < self.window)
        kept = []
        for layer, *previous in zip(self.layers, keys.unbind(1), values.unbind(1), strict=True):
            stream, *caches = layer(stream, *previous, rotation, mask, drop)
            kept.append([cache[:, :, max(cache.shape[2] - self.window + 1, 0) :] for cache in caches])
        keys, values = (torch.stack(part, dim=1) for part in zip(*kept, strict=True))  # (B, layers, heads, cached, 32)
        return drop(self.norm(stream)), (keys, values, count + steps)


class TransformerLayer(nn.Module):
    """One layer of attention and of a network with squared ReLU (So et al. 2021, https://arxiv.org/abs/2109.08668)."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * HEAD
        self.norm, self.norm_mlp = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.out_proj = nn.Linear(size, 3 * inner), nn.Linear(inner, size)
        self.up_proj, self.down_proj = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

    def forward(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        drop: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go through x, shape (B, T, H), and return that and all keys and values, (B, heads, cached + T, 32)."""
        qkv = self.qkv(self.norm(x)).to(keys.dtype).unflatten(-1, (3, self.heads, HEAD))  # (B, T, 3, heads, 32)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, T, 32) each
        keys, values = torch.cat([keys, rotate(key, rotation)], dim=2), torch.cat([values, value], dim=2)
        seen = scaled_dot_product_attention(rotate(query, rotation), keys, values, mask, is_causal=mask is None)
        x = x + drop(self.out_proj(seen.transpose(1, 2).flatten(2)))  # (B, T, heads · 32) → (B, T, H)
        return x + drop(self.down_proj(relu(self.up_proj(self.norm_mlp(x))).square())), keys, values


def rotations(count: Tensor, steps: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, (B, 1, T, 32), of the angles of the next steps after ``count`` ones, shape (B,)
    (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""
    # in double precision, for a model that plays for days
    position = count[:, None] + torch.arange(steps, device=count.device)  # (B, T)
    speed = BASE ** -torch.arange(0, 1, 2 / HEAD, dtype=torch.float64, device=count.device)  # (16,)
    angle = (position[..., None] * speed).repeat(1, 1, 2)[:, None]  # (B, 1, T, 32)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of numbers, the first half with the second, shape (B, heads, T, 32)."""
    low, high = x.chunk(2, dim=-1)  # (B, heads, T, 16) each
    return x * rotation[0] + torch.cat([-high, low], dim=-1) * rotation[1]
