"""Computing as is best for playing one event at a time: on one thread, and with denormal numbers flushed to zero.

Numbers below the smallest normal one take processors up to a hundred times as long. A bit of the floating-point
environment (fenv.h) makes them zeros; it belongs to the thread that sets it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hachimachi.player.engine import one_thread

CONTROL_WORDS = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}
"""By processor, on Linux: where in the ``fenv_t`` of its C libraries the control word is, and the bits for flushing
results and inputs: FTZ and DAZ of MXCSR, FZ of FPCR."""
ROOM = 64  # bytes that hold a ``fenv_t``


@contextmanager
def quick_steps() -> Iterator[None]:
    """Compute so in this thread until the block ends; torch too, if it is loaded."""
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        stack.enter_context(flush_denormals())
        if (torch := sys.modules.get("torch")) is not None:
            stack.enter_context(torch.inference_mode())
        yield


@contextmanager
def flush_denormals() -> Iterator[bool]:
    """Flush denormal numbers to zero in this thread until the block ends; yield whether that can be done here."""
    torch = sys.modules.get("torch")
    place = CONTROL_WORDS.get(os.uname().machine) if sys.platform == "linux" else None
    if place is not None:
        libm = ctypes.CDLL(None)  # Python itself is linked with it
        before, flushing = ctypes.create_string_buffer(ROOM), ctypes.create_string_buffer(ROOM)
        libm.fegetenv(before)
        libm.fegetenv(flushing)
        offset, bits = place
        ctypes.c_uint32.from_buffer(flushing, offset).value |= bits
        libm.fesetenv(flushing)
        try:
            yield True
        finally:
            libm.fesetenv(before)
    elif torch is not None:
        granted = torch.set_flush_denormal(True)
        try:
            yield granted
        finally:
            torch.set_flush_denormal(False)
    else:
        yield False
