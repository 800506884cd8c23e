"""The page on data is true: it lists every augmentation, and what it says to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hachimachi.augment.apply import parse
from hachimachi.augment.augmentation import known
from hachimachi.training.config.compose import check_words, compose
from hachimachi.training.config.overrides import as_overrides

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `((\w+)\(.*?\))` \| .+ \| `(.+?)` \|$", PAGE, re.M)
TURNED = parse("addrand(range=(-6, 6), dims=pitch); rev(p=0.5)")


def test_every_augmentation_has_a_row_that_is_true() -> None:
    ours = {name: op for name, op in known().items() if op.__module__ == "hachimachi.augment.ops"}
    assert {name: signature for signature, name, _ in ROWS} == {name: op.signature() for name, op in ours.items()}


@pytest.mark.parametrize(("name", "example"), [(name, example) for _, name, example in ROWS])
def test_its_example_is_one_of_it(name: str, example: str) -> None:
    [op] = parse(example).ops
    assert op.name == name


def test_it_quotes_as_a_shell_needs_it() -> None:
    [line] = re.findall(r"^hxmx train (.*augment\.ops.*)$", PAGE, re.M)
    [one] = re.findall(r"`('augment\.ops=\"[^`]*)`", PAGE)
    for words in (shlex.split(line), shlex.split(one)):
        assert parse(compose(as_overrides(words)).augment.ops) == TURNED


def test_its_file_for_a_folder_of_configs_works(tmp_path: Path) -> None:
    [text] = re.findall(r"`my/augment/turned.yaml`:\n\n```yaml\n(.*?)```", PAGE, re.S)
    (tmp_path / "augment").mkdir()
    (tmp_path / "augment" / "turned.yaml").write_text(text, encoding="utf-8")
    _, cfg = check_words(["augment=turned"], config_dir=tmp_path)
    assert parse(cfg.augment.ops) == TURNED
    assert cfg.augment.name == "default"
