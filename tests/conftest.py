"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the corpora are not here: no folder {SHARED}")
    return SHARED
