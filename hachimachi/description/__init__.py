"""Descriptions of data: statistics in one pass whatever its size, and findings of what looks wrong."""
