"""Transformer (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762) with rotary positions and a sliding window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from hachimachi.models.backbones.backbone import Backbone, State
from hachimachi.models.registry import register
from hachimachi.player.numpy_backbones import Norm, Product, Stepper, Vector

SPARE = 3
"""A cache has room for so many windows more than one; the less seldom it is copied, the more memory it takes."""


class Cache:
    """Keys and values of events, shape (2, heads, room, width). What was written once is never written again.

    A state knows its cache and up to where it reads. Going on from the newest state adds one event behind it; going on
    from an older one, whose next place is taken, or at the end of the room, copies the last events first.
    """

    def __init__(self, heads: int, window: int, width: int) -> None:
        self.window, self.filled = window, 0
        self.content = np.zeros((2, heads, (1 + SPARE) * window, width), np.float32)

    def add(self, stop: int, event: NDArray[np.float32]) -> tuple[Cache, int]:
        """Add the key and value of an event, shape (2, heads, width), after the first `stop`; return what to read."""
        cache = self
        if stop < self.filled or stop == self.content.shape[2]:
            cache, stop = self._copy(stop)
        cache.content[:, :, stop] = event
        cache.filled = stop + 1
        return cache, stop + 1

    def look(self, stop: int, query: NDArray[np.float32]) -> Vector:
        """Return what a query, shape (heads, width), sees in the last window before `stop`, shape (heads · width,)."""
        keys, values = self.content[:, :, max(stop - self.window, 0) : stop]
        scores = np.matmul(keys, query[:, :, None])[:, :, 0]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        seen = np.matmul(scores[:, None], values)[:, 0]
        seen /= scores.sum(axis=1, keepdims=True)
        return seen.reshape(-1)

    def _copy(self, stop: int) -> tuple[Cache, int]:
        _, heads, _, width = self.content.shape
        cache, kept = Cache(heads, self.window, width), min(stop, self.window - 1)
        cache.content[:, :, :kept] = self.content[:, :, stop - kept : stop]
        return cache, kept


HEAD = 32
"""Width of an attention head; there are as many as the size asks for, at least one."""
PAIRED = np.arange(HEAD).reshape(2, -1).T.reshape(-1)
"""The numbers of a head with those that are rotated together side by side."""
BASE = 10_000.0
"""Slowest rotation: about this many events for a radian."""


@register("backbone", "transformer")
class Transformer(Backbone):
    """Layers of causal attention over the last events and of a small network, each with a norm before and a way around.

    Args:
        size_in: Width of the input.
        size: Width of each layer and of the output.
        layers: Number of layers.
        dropout: Share of inputs, of what each layer adds and of outputs left out at random in training.
        window: Events that a layer looks back on, its own included. Beyond what a window of training holds it meets
            distances that it has not learned.
    """

    def __init__(self, size_in: int, size: int = 128, layers: int = 2, dropout: float = 0.0, window: int = 64) -> None:
        super().__init__(size_in, size)
        self.window = window
        self.enter = nn.Linear(size_in, size)
        self.layers = [TransformerLayer(size) for _ in range(layers)]
        self.modules_of_layers = nn.ModuleList(self.layers)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return keys and values of no events yet, (B, layers, heads, 0, 32), and how many were heard, (B,).

        Later there are at most window − 1 of them.
        """
        weight = self.norm.weight
        empty = weight.new_zeros(batch, len(self.layers), self.layers[0].heads, 0, HEAD)
        return empty, empty, torch.zeros(batch, dtype=torch.int64, device=weight.device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`. Memory grows with the window, not with its square times T."""
        out = []
        for piece in x.split(self.window, dim=1):
            h, state = self._run(piece, state, self.dropout)
            out.append(h)
        return torch.cat(out, dim=1), state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        h, state = self._run(x[:, None], state, lambda whole: whole)
        return h[:, 0], state

    def stepper(self) -> Stepper:
        """Return the fast form; see :class:`Backbone`."""
        return TransformerStepper(self)

    def _run(self, x: Tensor, state: State, drop: Callable[[Tensor], Tensor]) -> tuple[Tensor, State]:
        keys, values, heard = state
        stream, rotation = self.enter(drop(x)), rotate_by(heard, x.shape[1], keys.dtype)
        mask = self._mask(keys.shape[3], x.shape[1], x.device)
        kept = []
        for layer, *former in zip(self.layers, keys.unbind(1), values.unbind(1), strict=True):
            stream, *caches = layer(stream, *former, rotation, mask, drop)
            kept.append([cache[:, :, max(cache.shape[2] - self.window + 1, 0) :] for cache in caches])
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*kept, strict=True))
        return drop(self.norm(stream)), (keys, values, heard + x.shape[1])

    def _mask(self, former: int, steps: int, device: Any) -> Tensor | None:
        """Return who looks at whom, shape (T, former + T); nothing where plain causality says it."""
        if not former and steps <= self.window:
            return None
        own = torch.arange(former, former + steps, device=device)[:, None]
        distance = own - torch.arange(former + steps, device=device)
        return (distance >= 0) & (distance < self.window)


class TransformerLayer(nn.Module):
    """One layer of attention and network."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.heads = max(1, size // HEAD)
        inner = self.heads * HEAD
        self.norm, self.norm_wide = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attend, self.leave = nn.Linear(size, 3 * inner), nn.Linear(inner, size)
        self.widen, self.narrow = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)

    def forward(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        drop: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go through x, shape (B, T, H), and return that and all keys and values, (B, heads, former + T, 32)."""
        heads = self.attend(self.norm(x)).to(keys.dtype).unflatten(-1, (3, self.heads, HEAD))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        keys, values = torch.cat([keys, rotate(key, rotation)], dim=2), torch.cat([values, value], dim=2)
        seen = scaled_dot_product_attention(rotate(query, rotation), keys, values, mask, is_causal=mask is None)
        x = x + drop(self.leave(seen.transpose(1, 2).flatten(2)))
        return x + drop(self.narrow(relu(self.widen(self.norm_wide(x))).square())), keys, values


def rotate_by(heard: Tensor, steps: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, (B, 1, T, 32), of the angles of the next steps (Su et al. 2021, arXiv:2104.09864)."""
    # in double precision, for a model that plays for days
    place = heard[:, None] + torch.arange(steps, device=heard.device)
    speed = BASE ** -torch.arange(0, 1, 2 / HEAD, dtype=torch.float64, device=heard.device)
    angle = (place[..., None] * speed).repeat(1, 1, 2)[:, None]
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of numbers, the first half with the second, shape (B, heads, T, 32)."""
    low, high = x.chunk(2, dim=-1)
    return x * rotation[0] + torch.cat([-high, low], dim=-1) * rotation[1]


Memory = tuple[list[tuple[Cache, int]], int]
"""For each layer a cache and up to where it is read; and how many events were heard."""


class TransformerStepper(Stepper):
    """A :class:`Transformer` one step at a time."""

    def __init__(self, backbone: Transformer) -> None:
        self.window, self.enter, self.norm = backbone.window, Product(backbone.enter), Norm(backbone.norm)
        self.layers = [LayerStepper(layer) for layer in backbone.layers]
        self.speed = 1j * BASE ** -np.arange(0, 1, 2 / HEAD)

    def initial_state(self) -> Memory:
        """Return empty caches."""
        return [(Cache(layer.heads, self.window, HEAD), 0) for layer in self.layers], 0

    def step(self, x: Vector, state: Memory) -> tuple[Vector, Memory]:
        """Go on by one step; see :class:`Stepper`."""
        caches, heard = state
        stream, after = self.enter(x), []
        rotation = np.exp(heard * self.speed).astype(np.complex64)
        for layer, (cache, stop) in zip(self.layers, caches, strict=True):
            after.append(layer.step(stream, cache, stop, rotation))
        return self.norm(stream), (after, heard + 1)


class LayerStepper:
    """A :class:`TransformerLayer` one step at a time."""

    def __init__(self, layer: TransformerLayer) -> None:
        self.heads = layer.heads
        self.attend, self.leave = Product(layer.attend, layer.norm), Product(layer.leave)
        self.widen, self.narrow = Product(layer.widen, layer.norm_wide), Product(layer.narrow)
        for part in (self.attend.weight, self.attend.bias):
            heads = part.reshape(-1, 3, self.heads, HEAD)  # views: what is written here stands in the product
            heads[:, 0] /= HEAD**0.5
            # query and key may change their order together: with pairs side by side they are complex numbers
            heads[:, :2] = heads[:, :2][..., PAIRED]

    def step(self, stream: Vector, cache: Cache, stop: int, rotation: NDArray[np.complex64]) -> tuple[Cache, int]:
        """Add to the stream, shape (H,), what this layer says, and return the cache and up to where it is read."""
        event = self.attend(stream).reshape(3, self.heads, HEAD)  # query, key, value
        turned = event[:2].view(np.complex64)
        turned *= rotation
        cache, stop = cache.add(stop, event[1:])
        stream += self.leave(cache.look(stop, event[0]))
        wide = self.widen(stream)
        np.maximum(wide, 0, out=wide)
        wide *= wide
        stream += self.narrow(wide)
        return cache, stop
