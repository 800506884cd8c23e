"""The config of a training run: its types, how it is composed, and what the data decides."""
