from __future__ import annotations

import pytest

from tests.clients.processes import find_program


def test_a_program_that_is_absent_fails_and_says_how_to_get_it() -> None:
    with pytest.raises(
        pytest.fail.Exception, match=r"make clients.*apt-get install --no-install-recommends that-package"
    ):
        find_program("a-program-that-is-not-here", "that-package")
