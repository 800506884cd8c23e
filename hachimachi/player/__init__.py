"""Playing a model one event at a time, in NumPy."""
