"""kill -9 at random moments: what is finished is whole, what is recorded is there, and nothing is rescued twice.

Each round is one seed, which is printed: `pytest tests/commands/test_sudden_ends.py -m "" -k "seed and 17"` repeats it.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.checkpoint import load_model, load_player
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read, write
from hachimachi.live.osc import encode
from hachimachi.live.record.journal import beside, read_journal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
ROUNDS = [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 50))]
"""Two kills of each command always; with the slow ones two hundred of the five."""
MILLION = 1_000_000


def start(words: list[str], folder: Path, **how: Any) -> subprocess.Popen[Any]:
    """Start a command as a process."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
    command = [sys.executable, "-m", "hachimachi.cli", *words]
    how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}
    return subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, **how)


def run(words: list[str], folder: Path, **how: Any) -> tuple[int, str]:
    """Run a command to its end."""
    with start(words, folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how) as process:
        said, _ = process.communicate(timeout=300)
    return process.returncode, said.decode()


def kill(words: list[str], folder: Path, seconds: float) -> bool:
    """Kill a command after so many seconds; return whether it was still at work."""
    process = start(words, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MIDI file that takes a moment to read, and a data set to train on."""
    folder = tmp_path_factory.mktemp("sources")
    features = (Feature("pitch", "integer"), Feature("velocity", "integer"), Feature("duration", masked=True))
    step = np.arange(20_000, dtype=np.float64)
    data = np.column_stack([60 + step % 7, 80 + step % 5, np.full(len(step), 0.2)]).astype(float)
    write(folder / "long.mid", EventSequence(features, data, 0.25 * step, "long"))
    write(folder / "data.json", EventSequence(features, data[:400], 0.25 * step[:400], "short"))
    return folder


TIMES: dict[str, float] = {}
"""How long each command takes when nobody ends it."""
WHOLE: dict[str, Any] = {}
"""What it writes then."""


@pytest.mark.parametrize("seed", ROUNDS)
@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["format", "{sources}/long.mid", "out.json"], "out.json"),
        (["format", "{sources}/long.mid", "out.csv"], "out.csv"),
        (["gen", "{model}", "out.mid", "-n", "2000", "--seed", "1"], "out.mid"),
        (["gen", "{model}", "out.json", "-n", "2000", "--seed", "1"], "out.json"),
    ],
    ids=["format-json", "format-csv", "gen-mid", "gen-json"],
)
def test_an_output_is_whole_or_not_there(
    models: dict[bool, Path], sources: Path, tmp_path: Path, words: list[str], output: str, seed: int
) -> None:
    words = [word.format(sources=sources, model=models[True]) for word in words]
    key = f"{words[0]} {output}"
    if key not in TIMES:
        began = time.monotonic()
        assert run(words, tmp_path)[0] == 0
        TIMES[key], WHOLE[key] = time.monotonic() - began, (tmp_path / output).read_bytes()
        (tmp_path / output).unlink()
    chance = random.Random(seed)
    if chance.random() < 0.5:  # an older output stands there
        shutil.copy(sources / "data.json", tmp_path / output)
    before = (tmp_path / output).read_bytes() if (tmp_path / output).exists() else None
    seconds = chance.uniform(0.3, 1.1) * TIMES[key]
    kill(words, tmp_path, seconds)
    print(f"{key}: seed {seed}, killed after {seconds:.3f} s")
    after = (tmp_path / output).read_bytes() if (tmp_path / output).exists() else None
    assert after in (before, WHOLE[key])
    assert all(path.name == output or path.name.startswith(".hxmx-") for path in tmp_path.iterdir())


def hear(listener: socket.socket, key: str, model: tuple[str, int]) -> Any:
    """Ask for the state, and return one of the answers."""
    listener.sendto(encode("/status"), model)
    answers: dict[str, Any] = {}
    while "refused" not in answers:  # the last of them
        message = OscMessage(listener.recv(65_536))
        if message.address == "/status":
            answers[message.params[0]] = message.params[1]
    return answers[key]


def play_and_kill(
    words: list[str], folder: Path, seed: int, key: str, event: Callable[[int], tuple[float, ...]]
) -> int:
    """Play events to a live command and kill it at a random moment; return how many it had confirmed."""
    chance = random.Random(seed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        ports = ["--in-port", "0", "--out-port", str(listener.getsockname()[1])]
        process = start([*words, *ports], folder)
        try:
            packet, model = listener.recvfrom(65_536)
            assert OscMessage(packet).params == ["ready", 1]
            sure = 0
            for number in range(chance.randrange(1, 200)):
                listener.sendto(encode("/input", *event(number)), model)
                if chance.random() < 0.1:
                    sure = hear(listener, key, model)
            time.sleep(chance.uniform(0, 0.01))
        finally:
            process.kill()
            process.wait()
    print(f"{words[0]}: seed {seed}, killed after {sure} sure events")
    return sure


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_recording_has_all_its_events(tmp_path: Path, seed: int) -> None:
    name = ["take.json", "take.csv"][seed % 2]
    words = ["rec", "2", name, "--temporal"]
    sure = play_and_kill(words, tmp_path, seed, "recorded", lambda number: (number, 0.5))
    there = read_journal(beside(tmp_path / name))
    assert len(there) >= sure and there.skipped == 0
    assert there.rows[:, 0].tolist() == list(range(len(there)))
    more = play_and_kill(words, tmp_path, seed + MILLION, "recorded", lambda number: (number, 0.5))
    again = read_journal(beside(tmp_path / name))
    assert len(again) >= len(there) + more
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        process = start([*words, "--in-port", "0", "--out-port", str(listener.getsockname()[1])], tmp_path)
        _, model = listener.recvfrom(65_536)
        listener.sendto(encode("/stop"), model)
        assert process.wait(60) == 0
    assert sum(map(len, read(tmp_path / name))) == len(again)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_performance_is_rescued_once(models: dict[bool, Path], tmp_path: Path, seed: int) -> None:
    given = [["--log", "night.json"], []][seed % 2]
    words = ["run", str(models[False]), *given]
    sure = play_and_kill(words, tmp_path, seed, "heard", lambda number: (60 + number % 7, 127))
    folder = tmp_path if given else tmp_path / "outputs" / "run"
    (journal,) = folder.glob("*.journal")
    there = read_journal(journal)
    assert int((there.player == 0).sum()) >= sure and there.skipped == 0
    for _ in range(2):  # the next start rescues it, and the one after it does not again
        play_and_kill(words, tmp_path, MILLION, "heard", lambda number: (60 + number % 7, 127))
    rescued = [read(path) for path in folder.glob("*.json")]
    assert sum(sum(map(len, each)) == len(there) for each in rescued) == 1
    assert len(rescued) == 2 and len(list(folder.glob("*.journal"))) == 1  # the third has not been rescued yet


TRAINING = ["train", "{sources}/data.json", "model.pt", "trainer.max_epochs=12", "model.size=16", "logger=none"]
TRAINING += ["callbacks=quiet", "trainer.max_minutes=5", "hydra.run.dir=run"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_training_goes_on_to_the_same_score(sources: Path, tmp_path: Path, seed: int) -> None:
    words = [word.format(sources=sources) for word in TRAINING]
    if "train" not in TIMES:
        whole = tmp_path / "whole"
        whole.mkdir()
        began = time.monotonic()
        status, said = run(words, whole)
        assert status == 0, said
        TIMES["train"], WHOLE["train"] = time.monotonic() - began, load_model(whole / "model.pt").state_dict()
    chance = random.Random(seed)
    seconds = chance.uniform(0.4, 1.05) * TIMES["train"]
    killed = kill(words, tmp_path, seconds)
    print(f"train: seed {seed}, killed after {seconds:.2f} s")
    if (tmp_path / "model.pt").exists():
        load_player(tmp_path / "model.pt")  # it is whole
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    if not killed:
        return
    again = [word.replace("=run", "=again") for word in words]
    status, said = run([*again, f"ckpt_path={last}"] if last.exists() else again, tmp_path)
    # killed after its last epoch it has nothing to go on to, and the model is there
    assert status == 0 or (last.exists() and "has had 12 epochs already" in said), said
    weights = load_model(tmp_path / "model.pt").state_dict()
    assert all(bool((weights[name] == WHOLE["train"][name]).all()) for name in weights)


def test_a_killed_training_leaves_a_whole_model_or_none(sources: Path, tmp_path: Path) -> None:
    words = [word.format(sources=sources) for word in TRAINING]
    process = start(["train", *words[1:3], "trainer.max_epochs=500", *words[4:]], tmp_path)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "model.pt").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    load_player(tmp_path / "model.pt")


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 200 kB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


FULL = [
    ["format", "{sources}/long.mid", "disk/out.json"],
    ["format", "{sources}/long.mid", "disk/out.csv"],
    ["gen", "{model}", "disk/out.json", "-n", "9000"],
    ["gen", "{model}", "disk/out.wav", "-n", "100"],
]


@pytest.mark.parametrize("words", FULL, ids=lambda words: " ".join(words[::2]))
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    models: dict[bool, Path], sources: Path, tmp_path: Path, small_disk: Path, words: list[str]
) -> None:
    words = [word.format(sources=sources, model=models[True]) for word in words]
    output = tmp_path / words[2]
    output.write_bytes(b"before")
    status, said = run(words, tmp_path)
    assert status == 1 and said.count("hxmx: ") == 1
    assert said.splitlines()[-1].startswith(f"hxmx: {words[2]}: cannot be written: No space left on device")
    assert [path.name for path in small_disk.iterdir()] == [output.name] and output.read_bytes() == b"before"


def test_a_disk_that_fills_up_ends_no_recording(tmp_path: Path, small_disk: Path) -> None:
    """What was written stays, what was not is counted, and the data set is written once there is room."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        ports = ["--in-port", "0", "--out-port", str(listener.getsockname()[1])]
        process = start(["rec", "2", "disk/take.json", *ports], tmp_path, stderr=subprocess.PIPE)
        packet, model = listener.recvfrom(65_536)
        assert OscMessage(packet).params == ["ready", 1]
        (small_disk / "filler").write_bytes(bytes(150_000))
        for number in range(6000):
            listener.sendto(encode("/input", number, 0.1), model)
            if number % 100 == 0:
                hear(listener, "recorded", model)
        lost = hear(listener, "lost", model)
        assert lost > 0
        listener.sendto(encode("/stop"), model)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"cannot be written: No space left on device" in said and b"what was recorded stays in" in said
    (small_disk / "filler").unlink()
    assert len(read_journal(small_disk / "take.json.journal")) == 6000 - lost


def no_room() -> None:
    """Let no file grow beyond 100 kB; then the system refuses, as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_training_on_a_full_disk_is_one_line(sources: Path, tmp_path: Path) -> None:
    words = [word.format(sources=sources) for word in TRAINING]
    status, said = run(words, tmp_path, preexec_fn=no_room)
    assert status == 1, said
    assert "Traceback" not in said and "File too large" in said.splitlines()[-1]
    if (tmp_path / "model.pt").exists():
        load_player(tmp_path / "model.pt")


OUTPUTS = [
    ["format", "{sources}/data.json"],
    ["gen", "{model}", "-n", "5"],
    ["rec", "2", "--in-port", "0"],
    ["train", "{sources}/data.json"],
]


@pytest.mark.parametrize("where", ["taken.json", "no/out.json", "file/out.json"])
@pytest.mark.parametrize("words", OUTPUTS, ids=lambda words: words[0])
def test_an_output_that_cannot_be_is_told_at_once(
    models: dict[bool, Path],
    sources: Path,
    tmp_path: Path,
    hxmx_said: Any,
    words: list[str],
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "taken.json").mkdir()
    (tmp_path / "taken.json" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    where = where.replace(".json", ".pt") if words[0] == "train" else where
    if words[0] == "train":
        (tmp_path / "taken.pt").mkdir()
    output = [*words[:2], where, *words[2:]]
    status, _, said = hxmx_said(*[word.format(sources=sources, model=models[True]) for word in output])
    assert status in (1, 2), said
    assert where in said and said.count("hxmx: ") == 1
    assert "folder" in said or "directory" in said, said
    assert (tmp_path / "taken.json" / "mine").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["late.json", "late.csv", "late.mid", "late.arrow"])
def test_a_file_that_changes_or_goes_while_it_is_read(
    sources: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right data or one error, at whatever moment it is cut, replaced or removed."""
    if name.endswith(".arrow"):
        pytest.importorskip("pyarrow")
    write(tmp_path / name, read(sources / "data.json"))
    whole, path = (tmp_path / name).read_bytes(), tmp_path / name
    changes: list[Callable[[], object]] = [
        path.unlink,
        lambda: path.write_bytes(whole[: len(whole) // 2]),
        lambda: path.write_bytes(b""),
        lambda: (path.unlink(), path.mkdir()),
    ]
    original = Path.read_bytes
    for change in changes:
        for late in (False, True):

            def changing(one: Path, change: Callable[[], object] = change, late: bool = late) -> bytes:
                data = original(one) if late else b""
                if one == path:
                    change()
                return data if late else original(one)

            with monkeypatch.context() as patched:
                patched.setattr(Path, "read_bytes", changing)
                try:
                    found = read(path)
                except HachimachiError as error:
                    assert name in str(error) and "\n" not in str(error)
                else:  # a MIDI file that is cut short is read as far as it goes, and that is told
                    assert sum(map(len, found)) in ([400, 199] if name == "late.mid" else [400])
            if path.is_dir():
                path.rmdir()
            path.write_bytes(whole)
