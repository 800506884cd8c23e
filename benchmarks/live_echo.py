"""The least that can answer: a process that sends each packet on as it comes, what `hxmx run` is measured beside.

python -m benchmarks.live_echo IN-PORT OUT-PORT [--realtime]
"""

from __future__ import annotations

import select
import socket
import sys

from hachimachi.live.loop import request_realtime


def main(words: list[str]) -> None:
    """Echo until killed."""
    here, there = ("127.0.0.1", int(words[0])), ("127.0.0.1", int(words[1]))
    if "--realtime" in words:
        request_realtime()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(here)
        wire.setblocking(False)
        wire.sendto(b"/status\0,si\0ready\0\0\0\0\0\0\1", there)
        while True:
            select.select([wire], [], [])
            wire.sendto(wire.recv(65_536), there)


if __name__ == "__main__":
    main(sys.argv[1:])
