"""Pure Data and SuperCollider with the instruments of `examples/`, and hands on their controls."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.clients.conftest import EXAMPLES, Process, find_program, free_ports, running
