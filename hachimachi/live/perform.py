"""A model that plays live beside other work, in a notebook or a patch in Python: what `hxmx run` does, on a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hachimachi.live.assemble import Manner, Surroundings, assemble
from hachimachi.live.ensemble import Ensemble
from hachimachi.live.instrument import Instrument, Part
from hachimachi.live.osc.loop import Loop
from hachimachi.live.osc.wire import Wire
from hachimachi.live.outlet import Address
from hachimachi.live.parts import quick_steps, warm
from hachimachi.live.playing.agenda import Counts
from hachimachi.models.event_model import EventModel
from hachimachi.models.sampling import Sampling
from hachimachi.models.step import Player


@dataclass(frozen=True)
class Stage:
    """Where a model plays while other work goes on.

    Args:
        address: Host and port on which it hears.
        ensemble: The model behind the routes of the protocol.
    """

    address: Address
    ensemble: Ensemble

    @property
    def instrument(self) -> Instrument:
        """The model behind its routes."""
        return self.ensemble.instruments[0]

    @property
    def counts(self) -> Counts:
        """What has been heard and played so far."""
        return self.instrument.performer.counts


@contextmanager
def perform(
    model: EventModel,
    *outs: Address,
    listen: Address = ("127.0.0.1", 0),
    seed: int = 0,
    sampling: Sampling | None = None,
    manner: Manner | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Stage]:
    """Play a model live over OSC until the block ends; the protocol is that of `hxmx run`.

    Args:
        model: The model.
        outs: Hosts and ports to play to; without any, who sends is answered.
        listen: Host and port to hear on; port 0 takes any that is free.
        seed: Where the random numbers begin.
        sampling: How it draws, before it is steered otherwise.
        manner: The mode, the speed and so on.
        say: Shows a line, of what was refused.

    Raises:
        HachimachiError: An address that is not ours, a port in use, or what the model cannot play.

    >>> import numpy as np
    >>> from pythonosc.udp_client import SimpleUDPClient
    >>> from hachimachi import build_model, perform
    >>> from hachimachi.events import make_sequence
    >>> model = build_model([make_sequence(np.arange(40.0)[:, None] % 5, names=["knob"])])
    >>> with perform(model) as stage, SimpleUDPClient(*stage.address) as patch:
    ...     patch.send_message("/input", [3.0])
    ...     answer = next(patch.get_messages(5))
    >>> answer.address, len(answer.params), stage.counts.heard
    ('/output', 1, 1)
    """
    player = Player(model, seed, sampling=sampling)
    warm(player)
    with Loop(listen, outs, reply=not outs) as loop:
        wire = Wire(loop.send, say, rehearse=loop.rehearse)
        ensemble, _ = assemble([Part("model", player, seed=seed)], [], wire, manner or Manner(), Surroundings())
        thread = threading.Thread(target=_play, args=[loop, ensemble], name="hachimachi", daemon=True)
        thread.start()
        try:
            yield Stage((listen[0], loop.port), ensemble)
        finally:
            loop.stop()
            thread.join()


def _play(loop: Loop, ensemble: Ensemble) -> None:
    with quick_steps():  # here: denormals are flushed by the thread
        try:
            loop.run(ensemble)
        finally:  # no note is left hanging
            ensemble.end()
