"""Between a performer's files and events: `read` and `write`, picked by suffix."""

from hachimachi.io.files import read, write
from hachimachi.io.report import Report

__all__ = ["Report", "read", "write"]
