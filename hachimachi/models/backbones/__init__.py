"""Backbones: sequence → hidden sequence. One file each."""
