"""Heads: hidden vector → distribution of the next event. One file each."""
