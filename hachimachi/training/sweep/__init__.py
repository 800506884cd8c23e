"""Sweeps: one job after the other or many at once, what they came to, and ending early those that fall behind."""
