"""The real process, over real UDP, with a model that has learned nothing but the marginals of its data."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hachimachi.commands.run import command

from .patch import Patch

ENDS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, a service, a terminal that is closed
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("temporal", [True, False])
def test_fed_back_it_improvises_alone(models: dict[bool, Path], patch: Patch, temporal: bool) -> None:
    patch.start(models[temporal], "--seed", "1")
    patch.send("/sample")
    pitches = []
    for _ in range(60):
        route, *values = patch.hear()
        assert route == "/output"
        assert len(values) == 4 and all(isinstance(value, float) for value in values)
        pitches.append(values[0])
        patch.send("/input", *values)
    patch.hear()  # the answer to the last one
    patch.send("/stop")
    status, rest = patch.end()
    assert len(set(pitches)) > 5
    assert status == 0
    assert re.search(r"^heard 60, played 61; late p50 [\d.]+, p99 [\d.]+, max [\d.]+ ms$", rest, re.MULTILINE)


def test_unknown_and_constant_features_may_be_left_out(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[False])
    for values in ([60, 80, 0.5, 0], [60, 80, 0], [60, 80]):
        patch.send("/input", *values)
        assert len(patch.hear()) == 5
    patch.send("/input", 60)
    route, key, kind, text = patch.hear()
    assert (route, key, kind) == ("/status", "error", "length")
    assert "3 (pitch velocity instrument)" in text


def test_a_seed_plays_the_same_again(models: dict[bool, Path], tmp_path: Path) -> None:
    performances = []
    for _ in range(2):
        patch = Patch(tmp_path)
        with patch.socket:
            patch.start(models[False], "--seed", "7", "--temperature", "0.8")
            heard = []
            for _ in range(5):
                patch.send("/input", 60, 80)
                heard.append(patch.hear())
            patch.send("/stop")
            patch.end()
            performances.append(heard)
    assert performances[0] == performances[1]


def test_a_loop_goes_on_alone_and_survives_nonsense(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True], "--loop")
    chance = np.random.default_rng(0)
    for _ in range(1000):
        patch.socket.sendto(chance.bytes(int(chance.integers(100))), patch.model)
    patch.socket.sendto(b"#bundle\0" + bytes(7) + b"\1" + b"\xff\xff\xff\xfc", patch.model)
    outputs = 0
    while outputs < 50:
        outputs += patch.hear()[0] == "/output"
    patch.process.terminate()
    status, rest = patch.end()
    assert status == 0
    assert rest.count("hxmx: refused:") == 1
    assert "refused messages by kind: packet 100" in rest


@pytest.mark.parametrize("kind", [getattr(signal, name) for name in ENDS if hasattr(signal, name)])
@pytest.mark.parametrize("temporal", [True, False])
def test_signals_end_it_cleanly(models: dict[bool, Path], patch: Patch, temporal: bool, kind: signal.Signals) -> None:
    patch.start(models[temporal])
    patch.process.send_signal(kind)
    status, rest = patch.end()
    assert status == 0
    assert rest.splitlines()[-1] == "heard 0, played 0"
    assert patch.hear() == ["/status", "ready", 0]


def test_the_screen_says_what_it_hears_and_fits(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True])
    assert "/input pitch velocity\n" in patch.screen
    assert "/output pitch velocity duration instrument\n" in patch.screen
    assert str(patch.port) in patch.screen
    assert max(map(len, patch.screen.splitlines())) <= 80


def test_quiet_prints_only_what_goes_wrong(models: dict[bool, Path], patch: Patch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--quiet", "--in-port", str(port), "--out-port", str(patch.port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hachimachi.cli", "run", str(models[True]), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=patch.folder,
    )
    patch.process = process
    patch.model = ("127.0.0.1", port)
    patch.hear()
    patch.send("/nonsense")
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0
    assert rest.startswith("hxmx: refused: '/nonsense' is unknown") and rest.count("\n") == 1


def test_a_port_in_use_is_one_line(models: dict[bool, Path], patch: Patch) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", "run", str(models[True]), "--in-port", str(patch.port)],
        capture_output=True,
        text=True,
        cwd=patch.folder,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"hxmx: port {patch.port} of 127.0.0.1 is in use")
    assert "--in-port" in done.stderr and done.stderr.count("\n") == 1


def test_a_loop_without_time_is_refused(models: dict[bool, Path]) -> None:
    from hachimachi.errors import HachimachiError

    result = CliRunner().invoke(command, [str(models[False]), "--loop", "--in-port", "0"])
    assert isinstance(result.exception, HachimachiError)
    assert "has no time" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--loop", "--mode", "duet"], "does not go with --mode duet"),
        (["--mode", "duet", "--pending", "all"], "would add a voice for ever"),
        (["--out", "localhost:8000"], "hear and play on port 8000"),
        (["--out", "here"], "expected HOST:PORT"),
        (["--mode", "solo"], "'follow', 'loop', 'respond', 'duet'"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_read(words: list[str], said: str) -> None:
    result = CliRunner().invoke(command, ["missing.pt", *words])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_hearing_where_it_plays_is_a_wrong_call() -> None:
    result = CliRunner().invoke(command, ["model.pt", "--in-port", "9000"])
    assert result.exit_code == 2
    assert "hear and play on port 9000" in result.output


def test_run_loads_neither_lightning_nor_hydra_nor_tensorboard(models: dict[bool, Path]) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hachimachi.commands import run\n"
        "from hachimachi.live import loop, stage\n"
        "from hachimachi.sampling import Sampling\n"
        f"stage.load_playable(Path({str(models[True])!r}), Sampling(), 0)\n"
        "found = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(found & {'lightning', 'hydra', 'omegaconf', 'tensorboard', 'matplotlib', 'symusic'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_example_lets_it_play_with_itself(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True])
    out, patch.port = patch.port, 0
    patch.socket.close()  # the example takes this place
    with example("--in-port", str(patch.model[1]), "--out-port", str(out)) as lines:
        for _ in range(20):
            assert len(next(lines).split()) == 4


@contextmanager
def example(*options: str) -> Iterator[Iterator[str]]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / "feedback.py"), *options], stdout=subprocess.PIPE, text=True
    )
    killer = threading.Timer(60, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        yield iter(process.stdout)
    finally:
        killer.cancel()
        process.kill()
        process.communicate()
