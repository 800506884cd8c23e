"""The augmentations: each file here is looked at, and each class in it that registers itself is one."""
