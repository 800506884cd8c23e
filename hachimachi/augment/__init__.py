"""Augmentations: variations of events by short expressions, `addrand(range=(-6, 6), dims=pitch)`."""

from hachimachi.augment.apply import augment, parse
from hachimachi.augment.augmentation import Augmentation, register

__all__ = ["Augmentation", "augment", "parse", "register"]
