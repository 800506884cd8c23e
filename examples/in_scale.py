"""Keep what a model plays in a scale and within a range of velocity, on its way to your synthesizer.

    hxmx run model.pt                                   in one terminal, plays to port 9000
    python examples/in_scale.py --to 127.0.0.1:57120    in another, passes the tamed events on

Every /output comes in on port 9000. Its first value, the pitch, moves to the nearest note of the scale, its second,
the velocity, into the range; the rest stays as it is. The model does not notice: what it hears is up to you.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Collection

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "pentatonic": (0, 2, 4, 7, 9)}


def to_scale(pitch: float, scale: Collection[int], tonic: int = 0) -> int:
    """Return the note of a scale nearest to a pitch, the lower of two.

    >>> to_scale(61, SCALES["major"]), to_scale(66, SCALES["minor"], tonic=9)
    (60, 65)
    """
    notes = [note for note in range(128) if (note - tonic) % 12 in scale]
    return min(notes, key=lambda note: abs(note - pitch))


def main() -> None:
    """Pass /output on, tamed, until Ctrl-C."""
    options = argparse.ArgumentParser(description="Keep /output of hxmx run in a scale.")
    options.add_argument("--port", type=int, default=9000, help="where hxmx run plays to (9000)")
    options.add_argument("--to", default="127.0.0.1:57120", metavar="HOST:PORT", help="who gets the tamed events")
    options.add_argument("--scale", choices=SCALES, default="major")
    options.add_argument("--tonic", type=int, default=0, choices=range(12), metavar="0..11", help="0 is C")
    options.add_argument("--velocity", type=int, nargs=2, default=(40, 110), metavar=("LOW", "HIGH"))
    args = options.parse_args()
    host, _, port = args.to.rpartition(":")
    synthesizer = SimpleUDPClient(host, int(port))
    low, high = args.velocity

    def tame(_: str, pitch: float, velocity: float, *rest: float) -> None:
        synthesizer.send_message(
            "/output", [to_scale(pitch, SCALES[args.scale], args.tonic), min(max(velocity, low), high), *rest]
        )

    routes = Dispatcher()
    routes.map("/output", tame)
    try:
        server = BlockingOSCUDPServer(("127.0.0.1", args.port), routes)
    except OSError as error:
        options.error(f"port {args.port}: {error.strerror}; end what listens there, or choose another --port")
    print(f"/output from port {args.port} to {args.to}, in scale; Ctrl-C ends", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
