"""Playing live: a model in time, behind OSC."""
