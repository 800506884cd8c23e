"""Backbones in NumPy, for playing one event at a time, held to the torch modules.

A step is a few products of a matrix with one vector: torch spends most of its time on the way to them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Arrays = Mapping[str, NDArray[np.floating]]  # weights by the names that they have in the torch module


class NumpyBackbone(ABC):
    """A backbone with copies of its weights in float32. Its states are never written to, so one may be gone back to."""

    @abstractmethod
    def initial_state(self) -> Any:
        """Return the state before the first input."""

    @abstractmethod
    def step(self, x: Vector, state: Any) -> tuple[Vector, Any]:
        """Go on by one step: an input, shape (E,), → a hidden vector, shape (H,), and the new state."""


def as_array(weight: NDArray[np.floating]) -> Vector:
    """Return a copy in float32, row by row."""
    return np.array(weight, dtype=np.float32, order="C")


def sigmoid_(x: Vector) -> Vector:
    """Return 1 / (1 + e^-x) in place of x, by a tanh, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x


def norm_stats(x: Vector, share: Vector) -> tuple[float, float]:
    """Return mean and inverse standard deviation of x, shape (H,), as a layer norm takes them (Ba et al. 2016,
    https://arxiv.org/abs/1607.06450), given a vector of 1 / H: a product is the quickest sum."""
    mean = float(x.dot(share))
    variance = max(float(x.dot(x)) / len(x) - mean * mean, 0.0)
    return mean, 1 / math.sqrt(variance + 1e-5)


class NumpyLayerNorm:
    """A layer norm for one vector, its weights under a name."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self.gain, self.shift = as_array(arrays[f"{name}.weight"]), as_array(arrays[f"{name}.bias"])
        self.share = np.full_like(self.gain, 1 / len(self.gain))

    def __call__(self, x: Vector) -> Vector:
        """Return the normed x, shape (H,), as a new vector."""
        mean, scale = norm_stats(x, self.share)
        out = x - mean
        out *= scale
        out *= self.gain
        out += self.shift
        return out


class FusedLinear:
    """A linear layer for one vector; with a layer norm before it, both in one product. The norm's gain and the taking
    away of the mean are linear and go into the matrix, its shift into the bias. What is left is one number, the inverse
    standard deviation, by which the product is multiplied."""

    def __init__(self, arrays: Arrays, name: str, norm: str | None = None) -> None:
        weight, bias = (arrays[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        self.share = None
        if norm is not None:
            bias = bias + weight @ arrays[f"{norm}.bias"]
            weight = weight * arrays[f"{norm}.weight"]
            weight = weight - weight.mean(1, keepdims=True)
            self.share = np.full(weight.shape[1], 1 / weight.shape[1], dtype=np.float32)
        self.weight, self.bias = as_array(weight.T), as_array(bias)

    def __call__(self, x: Vector) -> Vector:
        """Return the product for x, shape (in,), as a new vector, shape (out,)."""
        out = x.dot(self.weight)
        if self.share is not None:
            out *= norm_stats(x, self.share)[1]
        out += self.bias
        return out


RecurrentState = tuple[tuple[Vector, ...], ...]  # for each layer, the vectors of its state, hidden vector first


class NumpyRecurrent(NumpyBackbone):
    """Layers of recurrent units; options of the torch module that are not needed here are passed over."""

    parts = 1  # vectors in the state of a layer

    def __init__(self, arrays: Arrays, **_: Any) -> None:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        count = sum(name.startswith("rnn.weight_ih_l") for name in arrays)
        # a vector from the left: measured a third faster than the matrix as PyTorch keeps it from the left
        layers = [[arrays[f"rnn.{name}_l{i}"].T for name in names] for i in range(count)]
        self.layers = [tuple(map(as_array, self.fuse(*layer))) for layer in layers]
        self.size = len(self.layers[0][1])

    def fuse(self, *weights: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
        """Return a layer's weights as they are needed, of inputs and of hidden vectors, and biases."""
        return weights

    def initial_state(self) -> RecurrentState:
        """Return zeros."""
        return ((np.zeros(self.size, np.float32),) * self.parts,) * len(self.layers)

    def step(self, x: Vector, state: RecurrentState) -> tuple[Vector, RecurrentState]:
        """Go on by one step; see :class:`NumpyBackbone`."""
        last = []
        for layer, previous in zip(self.layers, state, strict=True):
            now = self.cell(x, previous, *layer)
            last.append(now)
            x = now[0]
        return x, tuple(last)

    @abstractmethod
    def cell(self, x: Vector, state: tuple[Vector, ...], *weights: Vector) -> tuple[Vector, ...]:
        """Return the new state of one layer, the hidden vector first, each (H,)."""


class NumpyGRU(NumpyRecurrent):
    """A :class:`~hachimachi.models.backbones.rnn.GRU` one step at a time."""

    def cell(self, x: Vector, state: tuple[Vector, ...], *weights: Vector) -> tuple[Vector, ...]:
        """Return the new hidden vector."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        [previous], size = state, self.size
        inputs, kept = x.dot(weight_ih), previous.dot(weight_hh)  # reset, update and candidate of each
        inputs += bias_ih
        kept += bias_hh
        gates = sigmoid_(inputs[: 2 * size] + kept[: 2 * size])
        candidate = kept[2 * size :]
        candidate *= gates[:size]
        candidate += inputs[2 * size :]
        np.tanh(candidate, out=candidate)
        hidden = previous - candidate
        hidden *= gates[size:]
        hidden += candidate
        return (hidden,)


class NumpyLSTM(NumpyRecurrent):
    """A :class:`~hachimachi.models.backbones.rnn.LSTM` one step at a time."""

    parts = 2

    def fuse(self, *weights: NDArray[np.floating]) -> tuple[NDArray[np.floating], ...]:
        """Add up the biases, which only ever stand in one sum."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        return weight_ih, weight_hh, bias_ih + bias_hh

    def cell(self, x: Vector, state: tuple[Vector, ...], *weights: Vector) -> tuple[Vector, ...]:
        """Return the new hidden vector and cell."""
        weight_ih, weight_hh, bias = weights
        (previous, kept), size = state, self.size
        gates = x.dot(weight_ih)  # input, forget, candidate, output
        gates += previous.dot(weight_hh)
        gates += bias
        candidate = np.tanh(gates[2 * size : 3 * size])
        sigmoid_(gates)
        cell = gates[size : 2 * size] * kept
        candidate *= gates[:size]
        cell += candidate
        return gates[3 * size :] * np.tanh(cell), cell


KERNEL = 4  # events that the convolution of a minimal GRU's layer sees at once
MinGRUState = tuple[tuple[Vector, Vector], ...]
"""For each layer the hidden vector, (H,), and the last inputs of the convolution, (3, H)."""


class NumpyMinGRU(NumpyBackbone):
    """A :class:`~hachimachi.models.backbones.mingru.MinGRU` one step at a time."""

    def __init__(self, arrays: Arrays, **_: Any) -> None:
        self.in_proj, self.norm = FusedLinear(arrays, "in_proj"), NumpyLayerNorm(arrays, "norm")
        self.size = len(self.in_proj.bias)
        self.layers = [
            (
                NumpyLayerNorm(arrays, f"layers.{i}.norm"),
                as_array(arrays[f"layers.{i}.kernel"]),
                FusedLinear(arrays, f"layers.{i}.gates"),
                FusedLinear(arrays, f"layers.{i}.out_proj"),
            )
            for i in range(sum(name.endswith(".kernel") for name in arrays))
        ]

    def initial_state(self) -> MinGRUState:
        """Return zeros."""
        zeros = np.zeros(self.size, np.float32), np.zeros((KERNEL - 1, self.size), np.float32)
        return (zeros,) * len(self.layers)

    def step(self, x: Vector, state: MinGRUState) -> tuple[Vector, MinGRUState]:
        """Go on by one step; see :class:`NumpyBackbone`."""
        stream, size, last = self.in_proj(x), self.size, []
        for (norm, kernel, gates_proj, out_proj), (previous, before) in zip(self.layers, state, strict=True):
            inputs = np.concatenate((before, norm(stream)[None]))  # (4, H)
            gates = gates_proj(np.add.reduce(inputs * kernel))  # update, candidate, output
            candidate, passed = gates[size : 2 * size], gates[2 * size :]
            h = candidate - previous
            h *= sigmoid_(gates[:size])
            h += previous
            stream += out_proj(h * passed * sigmoid_(passed.copy()))
            last.append((h, inputs[1:]))
        return self.norm(stream), tuple(last)


HEAD = 32  # width of an attention head
PAIRED = np.arange(HEAD).reshape(2, -1).T.reshape(-1)
"""The numbers of a head with those that are rotated together side by side."""
SPEED = 1j * 10_000.0 ** -np.arange(0, 1, 2 / HEAD)
"""Angles by which pairs are rotated at each event, as imaginary numbers, (16,)."""
SPARE = 3  # a cache has room for so many windows more than one; the less seldom it is copied, the more memory it takes


class KVCache:
    """Keys and values of events, shape (2, heads, room, 32), each written once. A state knows its cache and up to where
    it reads. Going on from the newest state adds one event behind it; going on from an older one, whose next slot is
    taken, or at the end of the room, copies the last events first."""

    def __init__(self, heads: int, window: int) -> None:
        self.window, self.filled = window, 0
        self.content = np.zeros((2, heads, (1 + SPARE) * window, HEAD), np.float32)

    def add(self, stop: int, event: NDArray[np.float32]) -> tuple[KVCache, int]:
        """Add the key and value of an event, shape (2, heads, 32), after the first `stop`; return what to read."""
        cache = self
        if stop < self.filled or stop == self.content.shape[2]:
            cache, kept = KVCache(self.content.shape[1], self.window), min(stop, self.window - 1)
            cache.content[:, :, :kept] = self.content[:, :, stop - kept : stop]
            stop = kept
        cache.content[:, :, stop] = event
        cache.filled = stop + 1
        return cache, stop + 1

    def attend(self, stop: int, query: NDArray[np.float32]) -> Vector:
        """Return what a query, shape (heads, 32), sees in the last window before `stop`, shape (heads · 32,)."""
        keys, values = self.content[:, :, max(stop - self.window, 0) : stop]
        scores = np.matmul(keys, query[:, :, None])[:, :, 0]  # (heads, T)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        seen = np.matmul(scores[:, None], values)[:, 0]  # (heads, 32)
        seen /= scores.sum(axis=1, keepdims=True)
        return seen.reshape(-1)


TransformerState = tuple[list[tuple[KVCache, int]], int]
"""For each layer a cache and up to where it is read; and how many events there were."""


class NumpyTransformer(NumpyBackbone):
    """A :class:`~hachimachi.models.backbones.transformer.Transformer` one step at a time."""

    def __init__(self, arrays: Arrays, window: int = 64, **_: Any) -> None:
        self.window = window
        self.in_proj, self.norm = FusedLinear(arrays, "in_proj"), NumpyLayerNorm(arrays, "norm")
        self.layers: list[tuple[FusedLinear, ...]] = []
        for layer in (f"layers.{i}" for i in range(sum(name.endswith(".qkv.weight") for name in arrays))):
            qkv = FusedLinear(arrays, f"{layer}.qkv", f"{layer}.norm")
            self.heads = len(qkv.bias) // (3 * HEAD)
            for part in (qkv.weight, qkv.bias):
                heads = part.reshape(-1, 3, self.heads, HEAD)  # views: what is written here stands in the product
                heads[:, 0] /= HEAD**0.5
                # query and key may change their order together: with pairs side by side they are complex numbers
                heads[:, :2] = heads[:, :2][..., PAIRED]
            up_proj = FusedLinear(arrays, f"{layer}.up_proj", f"{layer}.norm_mlp")
            out_proj, down_proj = (FusedLinear(arrays, f"{layer}.{name}") for name in ("out_proj", "down_proj"))
            self.layers.append((qkv, out_proj, up_proj, down_proj))

    def initial_state(self) -> TransformerState:
        """Return empty caches."""
        return [(KVCache(self.heads, self.window), 0) for _ in self.layers], 0

    def step(self, x: Vector, state: TransformerState) -> tuple[Vector, TransformerState]:
        """Go on by one step; see :class:`NumpyBackbone`."""
        caches, count = state
        stream, after = self.in_proj(x), []
        rotation = np.exp(count * SPEED).astype(np.complex64)
        for (qkv, out_proj, up_proj, down_proj), (cache, stop) in zip(self.layers, caches, strict=True):
            event = qkv(stream).reshape(3, self.heads, HEAD)  # query, key, value
            rotated = event[:2].view(np.complex64)
            rotated *= rotation
            after.append(cache.add(stop, event[1:]))
            stream += out_proj(after[-1][0].attend(after[-1][1], event[0]))
            wide = up_proj(stream)
            np.maximum(wide, 0, out=wide)
            wide *= wide
            stream += down_proj(wide)
        return self.norm(stream), (after, count + 1)


NUMPY_BACKBONES: dict[str, type[NumpyRecurrent | NumpyMinGRU | NumpyTransformer]] = {
    "gru": NumpyGRU,
    "lstm": NumpyLSTM,
    "mingru": NumpyMinGRU,
    "transformer": NumpyTransformer,
}
"""By the names of their torch modules."""
