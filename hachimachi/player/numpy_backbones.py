"""The fast form of a backbone, for playing one event at a time: NumPy, batch one, no torch inside.

A step is a few products of a matrix with one vector. At that size most of the time of torch is spent on the way to the
product, and NumPy's way is shorter. The torch module stays the reference that this form is held to.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Vector = NDArray[np.float32]


class Stepper(ABC):
    """A backbone with copies of its weights in float32, made by `Backbone.stepper`.

    A state is whatever the stepper needs; it is never written to, so one may be kept and gone back to.
    """

    @abstractmethod
    def initial_state(self) -> Any:
        """Return the state before anything was heard."""

    @abstractmethod
    def step(self, x: Vector, state: Any) -> tuple[Vector, Any]:
        """Go on by one step: an input, shape (E,), → a hidden vector, shape (H,), and the new state."""


class Product:
    """A linear layer for one vector; with a layer norm before it, both in one product.

    The norm's gain and the taking away of the mean are linear and go into the matrix, its shift into the bias. What is
    left is one number, the inverse standard deviation, by which the product is multiplied.

    Args:
        linear: The linear layer.
        norm: The norm (Ba et al. 2016, https://arxiv.org/abs/1607.06450) of its inputs, if there is one.
    """

    def __init__(self, linear: nn.Linear, norm: nn.LayerNorm | None = None) -> None:
        weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
        self.spread = None
        if norm is not None:
            bias = bias + weight @ norm.bias.detach().double()
            weight = weight * norm.weight.detach().double()
            weight = weight - weight.mean(1, keepdim=True)
            self.spread = Spread(norm)
        self.weight, self.bias = as_array(weight.T), as_array(bias)

    def __call__(self, x: Vector) -> Vector:
        """Return the product for x, shape (in,), as a new vector, shape (out,)."""
        out = x.dot(self.weight)
        if self.spread is not None:
            out *= self.spread(x)[1]
        out += self.bias
        return out


class Spread:
    """Mean and inverse standard deviation of a vector, as a layer norm takes them."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        [self.size] = norm.normalized_shape
        self.eps, self.share = norm.eps, np.full(self.size, 1 / self.size, dtype=np.float32)

    def __call__(self, x: Vector) -> tuple[float, float]:
        """Return both for x, shape (H,)."""
        mean = float(x.dot(self.share))
        variance = max(float(x.dot(x)) / self.size - mean * mean, 0.0)
        return mean, 1 / math.sqrt(variance + self.eps)


class Norm:
    """A layer norm for one vector."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        self.spread, self.gain, self.shift = Spread(norm), as_array(norm.weight), as_array(norm.bias)

    def __call__(self, x: Vector) -> Vector:
        """Return the normed x, shape (H,), as a new vector."""
        mean, scale = self.spread(x)
        out = x - mean
        out *= scale
        out *= self.gain
        out += self.shift
        return out


def as_array(weight: Tensor) -> Vector:
    """Return a copy in float32, row by row."""
    return np.array(weight.detach().cpu().numpy(), dtype=np.float32, order="C")


def sigmoid(x: Vector) -> Vector:
    """Return 1 / (1 + e^-x) in place of x, by a tanh, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5
    return x
