"""What the text formats share."""

from __future__ import annotations

from collections.abc import Iterable

from hachimachi.errors import HachimachiError


def decode(data: bytes) -> str:
    """Return UTF-8 text without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HachimachiError(f"byte {error.start + 1} is not UTF-8 text; save the file as UTF-8") from error


def numerals(values: Iterable[float]) -> list[str]:
    """Return numbers as text that reads back exactly, whole ones as integers.

    >>> numerals([60.0, 0.25, 1e300])
    ['60', '0.25', '1e+300']
    """
    return [repr(int(v)) if v.is_integer() and abs(v) < 2**53 else repr(v) for v in map(float, values)]
