"""What is quick to start stays quick: nothing heavy is imported before it is needed."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import hachimachi
from hachimachi import io
from hachimachi.checkpoint import SPEC, describe, save_model
from hachimachi.cli import COMMANDS
from hachimachi.models.event_model import build_model
from hachimachi.player.numpy_backbones import NUMPY_BACKBONES
from hachimachi.player.numpy_heads import NUMPY_HEADS

TRAINING = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "tensorboard", "torchmetrics"}
HEAVY = {"torch", "matplotlib", "pythonosc", *TRAINING}
PAIRS = [(backbone, head) for backbone in NUMPY_BACKBONES for head in NUMPY_HEADS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Path:
    """A folder with a data set, a model, and a checkpoint of it."""
    import torch

    home = tmp_path_factory.mktemp("imports")
    pieces = make_pieces([40])
    io.write(home / "data.json", pieces)
    io.write(home / "data.mid", pieces)
    model = build_model(pieces, {"name": "gru", "size": 4})
    save_model(model, home / "model.pt")
    for backbone, head in PAIRS:
        parts = {"name": backbone, "size": 32, "layers": 1}, {"name": head}
        save_model(build_model(pieces, *parts), home / f"{backbone}_{head}.pt")
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    torch.save({SPEC: describe(model), "state_dict": weights, "callbacks": {}, "epoch": 1}, home / "model.ckpt")
    return home


def loaded(done: Any) -> set[str]:
    """Return the packages, by their first name, that a process imported."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], [], *([name, "--help"] for name in COMMANDS), ["format", "data.mid", "again.json"]],
    ids=" ".join,
)
def test_without_torch(hxmx_process: Any, folder: Path, words: list[str]) -> None:
    done = hxmx_process(*words, cwd=folder, python=["-X", "importtime"])
    assert done.returncode == (0 if words else 2), done.stderr[-500:]
    assert "click" in loaded(done)
    assert not loaded(done) & HEAVY


# every command that uses a model, in one process; `run` is ended by a message to the port that it hears on
USE = """
import sys, threading
from pythonosc.udp_client import SimpleUDPClient
from hachimachi.cli import main
from hachimachi.live.loop import Loop

def run_and_stop(wire, instrument, run=Loop.run):
    threading.Timer(0.2, lambda: SimpleUDPClient("127.0.0.1", wire.port).send_message("/stop", [])).start()
    run(wire, instrument)

Loop.run = run_and_stop
model = sys.argv[1]
calls = {"gen": ["out.csv", "-n", "5"], "eval": ["data.json"], "info": [], "run": ["--in-port", "0"]}
for name in sys.argv[2].split():
    words = [name, model, *calls[name]]
    try:
        main(words)
    except SystemExit as done:
        print("status", words[0], done.code, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


PLAY = f"""
import sys
from contextlib import closing
from pythonosc.udp_client import SimpleUDPClient
from hachimachi import Performer, generate, load_player, perform

player = load_player("model.pt")
performer = Performer(load_player("model.pt"))
performer.hear([60, 80, 0])
with perform(player) as stage, closing(SimpleUDPClient(*stage.address)) as patch:
    patch.send_message("/sample", [])
    answer = next(message for message in patch.get_messages(10) if message.address == "/output")
heavy = {sorted(HEAVY - {"pythonosc"})}
print(len(generate(player, 3)), 1 + len(answer.params), [name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize("model", ["model.pt", "model.ckpt"])
def test_using_a_model_loads_nothing_of_training(python_process: Any, folder: Path, model: str) -> None:
    done = python_process("-c", USE, model, "gen eval info run", cwd=folder)
    ends = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("status ")]
    assert [(name, status) for name, status, *_ in ends] == [(name, "0") for name in ("gen", "eval", "info", "run")]
    assert {"torch", "pythonosc"} < set(ends[-1])
    assert not set(ends[-1]) & (TRAINING | {"matplotlib"})


@pytest.mark.parametrize("model", ["model.pt", *(f"{backbone}_{head}.pt" for backbone, head in PAIRS)])
def test_playing_needs_no_torch(python_process: Any, folder: Path, model: str) -> None:
    done = python_process("-c", USE, model, "gen info run", cwd=folder)
    ends = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("status ")]
    assert [(name, status) for name, status, *_ in ends] == [(name, "0") for name in ("gen", "info", "run")]
    assert {"numpy", "pythonosc", "rich"} < set(ends[-1])
    assert not set(ends[-1]) & (HEAVY - {"pythonosc"})


def test_playing_from_python_needs_no_torch(python_process: Any, folder: Path) -> None:
    done = python_process("-c", PLAY, cwd=folder)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout == "3 5 []\n"


def test_the_package_alone_loads_nothing(python_process: Any, tmp_path: Path) -> None:
    done = python_process("-X", "importtime", "-c", "import hachimachi", cwd=tmp_path)
    assert "hachimachi" in loaded(done)
    assert not loaded(done) & (HEAVY | {"numpy", "click", "rich"})


RECORD = """
import sys
from pythonosc.udp_client import SimpleUDPClient
from hachimachi.cli import main
from hachimachi.live.loop import Loop

def run_and_stop(wire, recorder, run=Loop.run):
    client = SimpleUDPClient("127.0.0.1", wire.port)
    for words in (["/input", [1, 2]], ["/stop", []]):
        client.send_message(*words)
    run(wire, recorder)

Loop.run = run_and_stop
try:
    main(["rec", "2", "recorded.json", "--temporal", "--in-port", "0"])
finally:
    print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


# packages that only an extra installs, hidden before anything is imported
WITHOUT_EXTRAS = """
import sys
for name in ("optuna", "hydra_plugins.hydra_optuna_sweeper", "joblib", "submitit", "pyarrow", "pandas", "polars"):
    sys.modules[name] = None
from hachimachi.cli import main
main(sys.argv[1:])
"""


def test_training_needs_no_extra(python_process: Any, folder: Path) -> None:
    words = ["trainer.max_epochs=1", "model.size=4", "head.components=2", "logger=none", "callbacks=quiet"]
    done = python_process("-c", WITHOUT_EXTRAS, "train", "data.json", "alone.pt", *words, cwd=folder)
    assert done.returncode == 0, done.stderr[-500:]
    assert (folder / "alone.pt").is_file()


def test_recording_needs_no_torch(python_process: Any, folder: Path) -> None:
    done = python_process("-c", RECORD, cwd=folder)
    assert done.returncode == 0, done.stderr[-500:]
    assert len(io.read(folder / "recorded.json")[0]) == 1
    packages = set(done.stdout.splitlines()[-1].split())
    assert "pythonosc" in packages
    assert not packages & (HEAVY - {"pythonosc"})


def test_reading_and_writing_need_no_torch(python_process: Any, folder: Path) -> None:
    code = "import hachimachi; hachimachi.write('copy.csv', hachimachi.read('data.mid'))"
    done = python_process("-X", "importtime", "-c", code, cwd=folder)
    assert done.returncode == 0, done.stderr[-500:]
    assert (folder / "copy.csv").is_file()
    assert not loaded(done) & HEAVY


@pytest.mark.parametrize("name", hachimachi.__dict__["__all__"])
def test_every_short_name_leads_somewhere(name: str) -> None:
    found = getattr(hachimachi, name)
    assert callable(found) or name == "plot"
    assert found.__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = hachimachi.trian  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", [info.name for info in pkgutil.walk_packages(hachimachi.__path__, "hachimachi.")])
def test_every_module_imports_and_says_what_it_is(name: str) -> None:
    assert importlib.import_module(name).__doc__
