"""What README and the documentation show is true: their commands and their Python run, their options and links exist.

A block that cannot run here has a mark before it, ``<!-- not run: REASON -->``. The quick tests check commands that
train and run only those whose model is needed; the slow ones run everything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hachimachi import EventSequence, Feature, io
from hachimachi.checkpoint import save_model
from hachimachi.cli import COMMANDS, LazyGroup, cli, main
from hachimachi.live.osc import encode
from hachimachi.models.event_model import build_model
from hachimachi.training.config.compose import check_words
from hachimachi.training.config.overrides import as_overrides
from tests.plugins_apart import plugins_apart

ROOT = Path(__file__).parents[1]
DOCS = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(path.relative_to(ROOT).as_posix() for path in DOCS)]
FENCE = re.compile(r"(?:^<!-- not run: (.+) -->\n)?^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MOST_MARKED = 10
HELP = "hxmx --help"  # the examples there are a page of their own
TINY = {"trainer.max_steps": "2", "model.size": "8", "callbacks.progress": "false"}
"""What makes training short, where a command says nothing of it."""
LIMITED = "dataset.limit_events=120"  # what the model that is there was learned from, as on the page of learning curves


@dataclass(frozen=True)
class Block:
    page: str
    marked: str  # why it is not run; empty where it is
    language: str
    code: str

    @property
    def calls(self) -> list[list[str]]:
        """The words of its commands."""
        lines = self.code.splitlines() if self.language == "sh" else []
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def text_of(page: str) -> str:
    """Return a page as it stands."""
    return (ROOT / page).read_text(encoding="utf-8")


def examples() -> str:
    """Return the commands in the help of every command, what is said beside them left out."""
    found = []
    for name in COMMANDS:
        text = cli.get_command(None, name).help or ""  # pyright: ignore
        text = re.sub(r"\\\n *", "", text)
        found += re.findall(r"^ *(hxmx (?:\S| (?!  ))+)", text, re.MULTILINE)
    return "\n".join(found)


BLOCKS = {page: [Block(page, *found) for found in FENCE.findall(text_of(page))] for page in PAGES}
BLOCKS[HELP] = [Block(HELP, "", "sh", examples())]
CALLS = [words for blocks in BLOCKS.values() for block in blocks for words in block.calls if words[0] == "hxmx"]


def test_few_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    marked = [block for blocks in BLOCKS.values() for block in blocks if block.marked]
    with capsys.disabled():
        print("\nNot run:", *(f"{block.page}: {block.marked}" for block in marked), sep="\n  ")
    assert len(marked) <= MOST_MARKED


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_its_commands_exist(words: list[str]) -> None:
    assert isinstance(cli, LazyGroup)
    assert words[1] in COMMANDS
    command = cli.get_command(None, words[1])  # pyright: ignore[reportArgumentType]
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[2:] if re.fullmatch(r"--?[a-z][a-z-]*", word)} <= known


@pytest.fixture(scope="session")
def materials(
    tmp_path_factory: pytest.TempPathFactory, make_pieces: Callable[[list[int]], list[EventSequence]]
) -> Path:
    """A folder with everything that the pages name: data, one model that was trained, and others like it."""
    folder = tmp_path_factory.mktemp("materials")
    pieces = make_pieces([150, 140, 130, 120, 110, 100])
    instruments = np.resize([0, 32, 128], len(pieces[0]))
    pieces[0].data[:, 3] = instruments
    for name in ("data.json", "other.json", "data.csv", "output.csv", "takes.csv", "takes.arrow", "recordings.arrow"):
        io.write(folder / name, pieces[0])
    for name in ("file.mid", "song.mid", "opening.mid"):
        io.write(folder / name, pieces[0])
    for name, column, values in (
        ("band.json", "instrument", instruments),
        ("band.mid", "instrument", instruments),
        ("drums.json", "instrument", 128),
        ("last_night.json", "player", instruments // 128),
    ):
        features = (*pieces[0].features[:3], Feature(column, kind="categorical"))
        data = np.column_stack([pieces[0].data[:, :3], np.broadcast_to(values, len(instruments))])
        io.write(folder / name, EventSequence(features, data, pieces[0].time))
    knobs = (Feature("control", kind="categorical"), Feature("value"))
    turned = np.column_stack([np.resize([1.0, 7.0, 64.0], 60), np.arange(60) + 1.0])
    (folder / "midi").mkdir()
    io.write(folder / "midi" / "knobs.mid", EventSequence(knobs, turned, np.arange(60) / 4))
    parts = {"train": ["0.mid", "1.mid", "2.mid", "3.mid"], "valid": ["4.mid"], "test": ["5.mid"]}
    for place in ("midi", "mymidi", "corpus"):
        (folder / place).mkdir(exist_ok=True)
        for number, piece in enumerate(pieces):
            io.write(folder / place / f"{number}.mid", piece)
    for path in ("split.json", "corpus/split.json"):
        (folder / path).write_text(json.dumps(parts))
    (folder / "midi" / "drums.mid").write_bytes((folder / "band.mid").read_bytes())
    (folder / "more").mkdir()
    io.write(folder / "more" / "late.mid", make_pieces([90])[0])
    io.write(folder / "jsb_chorales.json", pieces)
    named = {part: [f"piece {name[0]}" for name in names] for part, names in parts.items()}
    (folder / "jsb_chorales_split.json").write_text(json.dumps(named))
    shutil.copytree(ROOT / "examples" / "plugin", folder, dirs_exist_ok=True)
    [turned] = re.findall(r"```yaml\n(defaults: \[default\]\nops:.*?)```", text_of("docs/how-to/augment.md"), re.DOTALL)
    (folder / "my" / "augment").mkdir(parents=True)
    (folder / "my" / "augment" / "turned.yaml").write_text(turned)
    with inside(folder):
        assert hxmx(*shorten(["train", "data.json", "model.pt", LIMITED])) == 0
    shutil.copytree(folder / "outputs" / "train", folder / "outputs" / "sweep" / "0")
    names = "a b c lead bass mine base tiny drums best again other tomorrow band"
    for name in names.split():
        shutil.copy(folder / "model.pt", folder / f"{name}.pt")
    save_model(build_model(io.read(folder / "band.json")), folder / "band.pt")
    (folder / "outputs" / "run" / "night").mkdir(parents=True)
    shutil.copy(folder / "model.pt", folder / "outputs" / "run" / "night" / "version3.pt")
    (folder / "outputs" / "run" / "last").symlink_to(Path("night") / "version3.pt")
    return folder


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, as in a process of its own, with warnings of other packages left out."""
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ["BROWSER"] = "true"  # what would open one runs this instead
    try:
        with warnings.catch_warnings(), plugins_apart():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def hxmx(*words: str) -> int:
    """Run a command in this process; return its exit status."""
    with plugins_apart(), pytest.raises(SystemExit) as done:
        main(list(words))
    return int(done.value.code or 0)


def shorten(words: list[str]) -> list[str]:
    """Return a command that ends soon: few steps, jobs and performances, whatever it is that it shows."""
    numbers = {"max_epochs": 1, "max_steps": 4, "trials": 2}
    words = [re.sub(r"(\w+)=\d+$", lambda n: f"{n[1]}={numbers.get(n[1], n[0].partition('=')[2])}", w) for w in words]
    for option, value in (("--play", "1"), ("--count", "2")):
        if option in words:
            words[words.index(option) + 1] = value
    if words[0] != "train":
        return words
    if any(word.startswith("ckpt_path=") for word in words):
        words = [*words, LIMITED]  # goes on with the data of the model that is there
    given = " ".join(words)
    known = {"trainer.max_steps": r"max_|fast_dev_run", "model.size": r"model\.size|experiment=|plugins=|init=(?!none)"}
    return [*words, *(f"{key}={value}" for key, value in TINY.items() if not re.search(known.get(key, key), given))]


def until_stopped(words: list[str], values: int) -> int:
    """Run a command that hears, send it events and then ``/stop`` until it ends; return its exit status."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ended = threading.Event()

        def send() -> None:
            for route, *numbers in (*[("/input", *[60.0] * values)] * 3, *[("/stop",)] * 1_000):
                if not ended.wait(0.1):
                    sender.sendto(encode(str(route), *numbers), ("127.0.0.1", port))

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            more = ["--web-port", "0"] if "--web" in words else []
            return hxmx(*words, "--in-port", str(port), *more)
        finally:
            ended.set()
            thread.join()


def run_call(call: list[str], thorough: bool) -> int:
    """Run one command of a page, or check it where it trains and there is no time; return its exit status."""
    program, *words = call
    if program == "make":
        done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, check=False, timeout=60)
        return done.returncode
    assert program == "hxmx"
    others = {
        "run": lambda: until_stopped(words, 4),
        "rec": lambda: until_stopped(words, int(words[1])),
        "board": lambda: serve_board(words[1:]) if thorough else 0,
    }
    words = [find(word) for word in shorten(words)]
    if words[0] != "train":
        return others.get(words[0], lambda: hxmx(*words))()
    models = [word for word in words if word.endswith(".pt") and "=" not in word]
    if thorough and any(word.startswith(("trainer=ddp", "hydra/launcher")) for word in words):  # it starts others
        command = [sys.executable, "-m", "hachimachi.cli", *words]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode
    if thorough or not all(Path(model).exists() for model in models):
        return hxmx(*words)
    if "-m" in words:
        check_words(as_overrides([word for word in words[1:] if word != "-m"]), True)
        return 0
    return hxmx(*words, *([] if "--cfg" in words else ["--cfg", "job"]))


def serve_board(words: list[str]) -> int:
    """Start TensorBoard until it says where it is; return 0 where it does."""
    command = [sys.executable, "-m", "hachimachi.cli", "board", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            return 0 if "http://127.0.0.1:" in process.stdout.readline() else 1
        finally:
            process.terminate()


def find(word: str) -> str:
    """Fill in what a page cannot know: the folder of a run, by its name or by its checkpoint."""
    key, equals, pattern = word.rpartition("=")
    if "…" in pattern:
        return f"{key}{equals}{sorted(Path().glob(pattern.replace('…', '*')))[-1]}"
    if re.fullmatch(r"ckpt_path=20[\d_-]+", word):
        return f"{key}={next(Path('outputs/train').iterdir()).name}"
    return word


@pytest.mark.parametrize("thorough", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "all"])
@pytest.mark.parametrize("page", [*filter(BLOCKS.get, PAGES), pytest.param(HELP, marks=pytest.mark.slow)])
def test_its_blocks_run(page: str, thorough: bool, materials: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(materials, folder, symlinks=True)
    with inside(folder):
        for block in BLOCKS[page]:
            if block.marked:
                continue
            for words in block.calls:
                assert run_call(words, thorough) == 0, words
            if block.language == "python":
                exec(compile(block.code, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    """To files that are there; where on a page a link of the site leads, its build checks."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        where = link.partition("#")[0]
        if where and not where.startswith("http"):
            assert ((ROOT / page).parent / where).exists(), link


def test_links_from_without_lead_to_headings() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        for where, heading in re.findall(r"\]\(([^)\s#]+\.md)#([^)\s]+)\)", text_of(page)):
            titles = re.findall(r"^#+ (.+)$", text_of(where), re.M)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}, where
