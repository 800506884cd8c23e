"""Let a model play with itself, and listen.

    hxmx run model.pt                                 in one terminal
    python examples/feedback.py                       in another

The model sends every note (or whatever its events are) it plays as /output. This small program prints it
and hands it back as /input, so that the model hears what it has just played and goes on from there: it
improvises alone. It starts the dialogue with /sample, "play something". Ctrl-C ends it.

To hear it, pass every event on to a program that makes sound, a Pd, Max or SuperCollider patch that listens
to OSC on port 57120 for example:

    python examples/feedback.py --forward 127.0.0.1:57120

A model without time answers at once, as fast as it can; give it a pulse, here four events a second:

    python examples/feedback.py --pause 0.25
"""

from __future__ import annotations

import argparse
import contextlib
import time

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient


def main() -> None:
    """Feed /output back to /input until Ctrl-C."""
    options = argparse.ArgumentParser(description="Feed /output of hxmx run back to /input.")
    options.add_argument("--in-port", type=int, default=8000, help="where hxmx run hears (8000)")
    options.add_argument("--out-port", type=int, default=9000, help="where hxmx run plays to (9000)")
    options.add_argument("--forward", metavar="HOST:PORT", help="a second program that gets every /output")
    options.add_argument("--pause", type=float, default=0.0, help="seconds before an event is fed back (0)")
    args = options.parse_args()

    model = SimpleUDPClient("127.0.0.1", args.in_port)
    synth = None
    if args.forward:
        host, _, port = args.forward.rpartition(":")
        synth = SimpleUDPClient(host or "127.0.0.1", int(port))

    def output(route: str, *values: float) -> None:
        if synth:
            synth.send_message(route, values)
        print(*(f"{value:g}" for value in values), flush=True)
        time.sleep(args.pause)
        model.send_message("/input", values)

    def status(_: str, key: str, *values: object) -> None:
        if key == "error":
            print("error:", *values, flush=True)
        elif (key, values) == ("ready", (1,)):  # the model was started after this program
            model.send_message("/sample", [])

    routes = Dispatcher()
    routes.map("/output", output)
    routes.map("/status", status)
    try:
        server = BlockingOSCUDPServer(("127.0.0.1", args.out_port), routes)
    except OSError as error:
        options.error(f"port {args.out_port}: {error.strerror}; end what listens there, or choose another --out-port")
    with server:
        model.send_message("/sample", [])
        server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
