"""Between a performer's files and events: `read` and `write`, picked by suffix; `open_collection` for any size."""

from hachimachi.io.files import open_collection, read, write
from hachimachi.io.report import Report

__all__ = ["Report", "open_collection", "read", "write"]
