"""Parts are found by name, and only among the project's own."""

from __future__ import annotations

import pytest

from hachimachi import plugins
from hachimachi.errors import HachimachiError


def test_names_are_those_of_the_files() -> None:
    assert plugins.names("backbone") == sorted(plugins.names("backbone"))
    assert "mixture" in plugins.names("head")


@pytest.mark.parametrize("name", ["os.system", "torch.nn.GRU", "", "GRU"])
def test_a_foreign_name_is_refused(name: str) -> None:
    with pytest.raises(HachimachiError, match=f"backbone {name!r} is not known; known are .*gru"):
        plugins.build("backbone", name, context={"size_in": 3})


def test_an_option_that_a_part_does_not_take() -> None:
    with pytest.raises(HachimachiError, match=r"backbone 'gru' cannot be built from .*colour"):
        plugins.build("backbone", "gru", context={"size_in": 3}, colour="red")
