"""Pure Data and SuperCollider with the instruments of `examples/`, and hands on their controls.

A probe beside each instrument prints what came: ``output: 60 80 0.25``, ``status: mode loop``; and ``level: 62``, how
loud it is, in decibels above next to nothing.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.processes import EXAMPLES, Process, find_program, free_ports, running

MODES = ("follow", "loop", "respond", "duet")
BUTTONS = ("start", "pause", "sample", "reset")


class Program(ABC):
    """An instrument in its program.

    Args:
        process: The program, which prints what its probe sees.
    """

    def __init__(self, process: Process) -> None:
        self.process = process

    @abstractmethod
    def turn(self, control: str, value: float) -> None:
        """Set a control: phrase or feedback (0 or 1), mode (0 to 3), temperature (0 to 2)."""

    @abstractmethod
    def tap(self, button: str) -> None:
        """Press a button: start, pause, sample, reset or panic."""

    @abstractmethod
    def ask(self, route: str) -> None:
        """Send a message without values to the model."""

    @property
    def outputs(self) -> list[tuple[float, ...]]:
        """All ``/output`` that came."""
        return [tuple(map(float, line.split())) for line in self.process.said("output: ")]

    @property
    def level(self) -> float:
        """How loud it is now."""
        return float(self.process.said("level: ")[-1])

    def wait_for_outputs(self, more: int) -> None:
        """Wait for more ``/output``."""
        enough = len(self.outputs) + more
        self.process.wait(f"{more} outputs", lambda: len(self.outputs) >= enough)

    def wait_for_status(self, words: str, since: int = 0) -> None:
        """Wait for a ``/status`` that begins so."""
        self.process.wait(f"/status {words}", lambda: self.process.said(f"status: {words}", since))


class PureData(Program):
    """Its probe is a second patch, which passes on what a hand would do."""

    def __init__(self, process: Process, port: int) -> None:
        super().__init__(process)
        self._port = port

    def turn(self, control: str, value: float) -> None:
        self._send(f"hx-{control} {value:g}")

    def tap(self, button: str) -> None:
        self._send("hx-panic bang" if button == "panic" else f"hx-model {button}")

    def ask(self, route: str) -> None:
        self._send(f"hx-model {route}")

    def _send(self, words: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(f"{words};\n".encode(), ("127.0.0.1", self._port))


class SuperCollider(Program):
    """Its probe is typed into it, and so is what a hand would do."""

    def turn(self, control: str, value: float) -> None:
        value = value / 2 if control == "temperature" else value
        words = f"{value > 0}".lower() if control in ("phrase", "feedback") else f"{value:g}"
        self.process.type(f"~controls[\\{control}].valueAction = {words};\x0c")

    def tap(self, button: str) -> None:
        self.process.type(f"~controls[\\{button}].doAction;\x0c")

    def ask(self, route: str) -> None:
        self.process.type(f'~model.sendMsg("/{route}");\x0c')


PURE_DATA_PROBE = r"""#N canvas 0 0 500 100 12;
#X obj 10 10 r hx-output;
#X obj 10 40 print output;
#X obj 110 10 r hx-status;
#X obj 110 40 print status;
#X obj 210 10 r hx-level;
#X obj 210 40 print level;
#X obj 310 10 netreceive -u PORT;
#X msg 310 70 \; \$1 \$2;
#X obj 310 40 list append;
#X connect 0 0 1 0;
#X connect 2 0 3 0;
#X connect 4 0 5 0;
#X connect 6 0 8 0;
#X connect 8 0 7 0;
"""


@contextmanager
def pure_data(hears: int, plays: int, folder: Path) -> Iterator[Program]:
    """Open the patch in Pd, without sound and screen, for a model on these ports."""
    pd = find_program("pd", "puredata-core")
    [port] = free_ports(1)
    probe = folder / "probe.pd"
    probe.write_text(PURE_DATA_PROBE.replace("PORT", str(port)))
    ports = ["-send", f"hx-in-port {hears}", "-send", f"hx-out-port {plays}"]
    files = ["-open", EXAMPLES / "instrument.pd", "-open", probe]
    with running(pd, "-nogui", "-noaudio", "-nomidi", "-stderr", *files, *ports) as process:
        process.wait("the sound of Pd", lambda: process.said("level: "))
        yield PureData(process, port)


SUPERCOLLIDER_PROBE = r"""
s.addr = NetAddr("127.0.0.1", SERVER); ~inPort = HEARS; ~outPort = PLAYS;
"INSTRUMENT".load;
["output", "status"].do { |name|
    OSCdef(name.asSymbol, { |message| (name ++ ": " ++ message.drop(1).join(" ")).postln }, "/" ++ name)
};
s.doWhenBooted {
    { SendReply.kr(Impulse.kr(20), '/level', Amplitude.kr(In.ar(0), 0.01, 0.05).max(0.00001).ampdb + 100) }.play(
        s, addAction: \addToTail);
    OSCdef(\level, { |message| ("level: " ++ message[3]).postln }, '/level')
};
"""


@contextmanager
def supercollider(hears: int, plays: int, folder: Path) -> Iterator[Program]:
    """Open the script in SuperCollider, without screen, and with JACK's sound card that is none."""
    find_program("scsynth", "supercollider-server")
    sclang, jack = find_program("sclang", "supercollider-language"), find_program("jackd", "jackd2")
    [server] = free_ports(1)
    probe = SUPERCOLLIDER_PROBE.replace("\n", " ").replace("INSTRUMENT", str(EXAMPLES / "instrument.scd"))
    for word, number in (("SERVER", server), ("HEARS", hears), ("PLAYS", plays)):
        probe = probe.replace(word, str(number))
    folder.chmod(0o700)  # or Qt complains
    places = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "JACK_DEFAULT_SERVER": f"hxmx{server}"}
    quiet = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    with (
        running(jack, "-r", "-n", places["JACK_DEFAULT_SERVER"], "-d", "dummy", **places, **quiet) as card,
        running(sclang, "-i", "test", **places, **quiet) as process,
    ):
        card.wait("JACK", lambda: len(card.lines) > 3)
        process.wait("SuperCollider", lambda: any("Welcome" in line for line in process.lines))
        process.type(f"{probe}\x0c")
        try:
            process.wait("the sound of SuperCollider", lambda: process.said("level: "))
            yield SuperCollider(process)
        finally:
            process.type("s.quit; 0.exit;\x0c")
            process.finish()
