"""Playing live: a model in time, behind OSC."""

MODE_NAMES = ("follow", "loop", "respond", "duet")
"""How a model and a player share the stage; `hachimachi.live.performer.MODES` says what each does."""
