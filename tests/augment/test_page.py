"""The pages on augmentation are true: they quote as a shell needs it, and what they say to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hachimachi.augment.apply import parse
from hachimachi.augment.augmentation import known
from hachimachi.training.config.compose import check_words, compose
from hachimachi.training.config.overrides import as_overrides

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "augment.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "reference" / "augmentations.md").read_text(encoding="utf-8")
TURNED = parse("addrand(range=(-6, 6), dims=pitch); rev(p=0.5)")
EXAMPLES = re.findall(r"```text\n(.*?)```", REFERENCE, re.S)[0].splitlines()


def test_there_is_an_example_of_every_augmentation() -> None:
    ours = {name for name, op in known().items() if op.__module__ == "hachimachi.augment.ops"}
    assert {example.partition("(")[0] for example in EXAMPLES} == ours


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_one(example: str) -> None:
    [op] = parse(example).ops
    assert op.name == example.partition("(")[0]


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
