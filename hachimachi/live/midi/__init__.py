"""MIDI ports, by mido and python-rtmidi: what a player's keys and knobs mean to a model, and what it plays to them."""
