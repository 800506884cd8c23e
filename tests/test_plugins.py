"""Modules of one's own register parts; nothing else brings them in, and what is wrong with one is told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hachimachi import io, plugins
from hachimachi.checkpoint import load_model, read_summary, save_model
from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.models.event_model import build_model
from tests.plugins_apart import plugins_apart

MINE = """
from hachimachi.models.backbones.rnn import GRU
from hachimachi.plugins import register

@register("backbone", "mine")
class Mine(GRU):
    "A GRU under another name."
"""
SOURCES = {
    "mine": MINE,
    "other": MINE,
    "taken": MINE.replace('"mine"', '"gru"'),
    "broken": "x = 1\n1 / 0\n",
    "empty": "",
    "needs": "import not_there_at_all\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)
    with plugins_apart():
        yield tmp_path


def test_a_part_is_there_once_its_module_is_named() -> None:
    assert "mine" not in plugins.names("backbone")
    plugins.load(["mine", "mine"])
    assert "mine" in plugins.names("backbone")
    assert (plugins.plugin_of("backbone", "mine"), plugins.plugin_of("backbone", "gru")) == ("mine", None)
    assert list(plugins.options("backbone", "mine")) == ["size", "layers", "dropout"]


def test_the_working_folder_comes_last(folder: Path) -> None:
    (folder / "json.py").write_text("raise SystemExit")  # never the one of Python's own name
    plugins.load(["mine"])
    import sys

    assert sys.path[-1] == str(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "no module 'nowhere', neither installed nor in"),
        ("mine.deeper", "no module 'mine.deeper'"),
        ("needs", "needs the module 'not_there_at_all', which is not installed"),
        ("broken", r"ZeroDivisionError: division by zero \(.*broken.py, line 2\)"),
        ("empty", r"empty.py\): registers nothing; expected a part"),
        ("json", "registers nothing"),
        ("taken", "hachimachi has one; choose another name"),
        ("mine.py;x", "expected the name of a Python module"),
        ("../mine", "expected the name of a Python module"),
    ],
)
def test_what_is_wrong_with_one_is_one_line(name: str, said: str) -> None:
    with pytest.raises(HachimachiError, match=said) as caught:
        plugins.load([name])
    assert "\n" not in str(caught.value)


def test_two_of_one_name() -> None:
    plugins.load(["mine"])
    with pytest.raises(HachimachiError, match="backbone 'mine' of other: mine has that name; choose another"):
        plugins.load(["other"])


def test_a_model_tells_what_it_needs_and_is_refused_without_it() -> None:
    piece = make_sequence([[60 + i % 5] for i in range(30)], [i / 4 for i in range(30)])
    with plugins_apart():
        plugins.load(["mine"])
        model = build_model([piece], {"name": "mine", "size": 4})
        model.summary = {"steps": 1}
        save_model(model, "model.pt")
    with pytest.raises(HachimachiError, match=r"'mine' is kept outside hachimachi.*add --plugin mine"):
        load_model("model.pt")
    assert read_summary("model.pt") == {"steps": 1, "plugins": ["mine"]}
    again = load_model("model.pt", plugins=["mine"])
    assert again.parts == model.parts
    load_model("model.pt")  # it is there now


def test_formats_of_ones_own(folder: Path) -> None:
    from hachimachi.io.formats import register_format

    def parse(data: bytes, file: str, report: io.Report) -> list:  # noqa: ARG001
        if b"?" in data:
            raise HachimachiError("line 1: found '?', expected a number")
        return [make_sequence([[float(word)] for word in data.split()])]

    for suffix in (".json", "toy", ".TOY"):
        with pytest.raises(HachimachiError, match=r"choose another|expected a suffix"):
            register_format(suffix, parse=parse)
    register_format(".toy", parse=parse)
    (folder / "a.toy").write_text("1 2 3")
    assert io.read("a.toy")[0].data.tolist() == [[1], [2], [3]]
    (folder / "b.toy").write_text("?")
    with pytest.raises(HachimachiError, match=r"b.toy: line 1: found"):
        io.read("b.toy")
    with pytest.raises(HachimachiError, match=r"suffix '.toy'"):
        io.write("c.toy", io.read("a.toy"))


def test_a_reader_and_a_writer_from_different_places(folder: Path) -> None:
    """A reader of sound, where this package writes it; a writer in a module of its own."""
    (folder / "mine.py").write_text(
        "from hachimachi.events import make_sequence\n"
        "from hachimachi.io.formats import register_format\n"
        "def parse(data, file, report): return [make_sequence([[float(len(data))]], [0.0], names=['size'])]\n"
        "register_format('.wav', parse=parse)\n"
        "register_format('.toy', parse=parse)\n"
    )
    (folder / "other.py").write_text(
        "from hachimachi.io.formats import register_format\n"
        "register_format('.toy', render=lambda sequences: b'many' * len(sequences))\n"
    )
    plugins.load(["mine", "other"])
    io.write("a.wav", make_sequence([[60, 80]], [0.0], names=["pitch", "velocity"]))
    assert io.read("a.wav")[0].column("size")[0] == (folder / "a.wav").stat().st_size
    io.write("a.toy", io.read("a.wav"))
    assert io.read("a.toy")[0].column("size")[0] == len("many")


def test_many_files_of_ones_own_beside_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes do not know the plug-in: where there are such files, all are read in this one."""
    from hachimachi.io import many

    (folder / "mine.py").write_text(
        "from hachimachi.events import make_sequence\n"
        "from hachimachi.io.formats import register_format\n"
        "def parse(data, file, report): return [make_sequence([[float(word)] for word in data.split()], names=['x'])]\n"
        "register_format('.toy', parse=parse)\n"
    )
    plugins.load(["mine"])
    (folder / "many").mkdir()
    for number in range(4):
        (folder / "many" / f"{number}.toy").write_text("1 2 3")
        (folder / "many" / f"{number}.csv").write_text("x\n4\n")
    monkeypatch.setattr(many, "APART", 0)
    monkeypatch.setattr(many, "cores", lambda: 2)
    assert [sequence.data.sum() for sequence in io.read("many")] == [4, 6] * 4
