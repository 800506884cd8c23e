"""Coverage-guided fuzzing of every reader (atheris, libFuzzer): the right data or one line of error.

    python -m tests.fuzz.readers --seconds 60 midi json      some readers, a minute each
    python -m tests.fuzz.readers                             all of them

Inputs begin with small whole files and are changed so that code is reached which was not before. A reader that raises
anything but one `HachimachiError` of one line, takes more than 10 s or more than 2 GB ends its run, and the input is
kept in ``outputs/fuzz/``.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 1 << 16  # bytes of an input
KINDS = ("json", "many", "csv", "midi", "arrow", "split", "journal", "model", "old", "checkpoint")
OLD = {"old": "gru_mixture.pt", "checkpoint": "gru_autoregressive.ckpt"}


def make_seeds(folder: Path, kind: str) -> tuple[list[bytes], Callable[[Path, bytes], object]]:
    """Return whole files of a kind, and what reads one."""
    from hachimachi import build_model, save_model
    from hachimachi.checkpoint import load_player, read_summary
    from hachimachi.errors import HachimachiError
    from tests.io.test_hostile import check, make_files, sequence

    if kind not in ("model", *OLD):
        return [make_files(folder)[kind]], lambda path, data: check(kind, path, data)

    def read(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        for reader in (read_summary, load_player):
            try:
                reader(path)
            except HachimachiError as error:
                assert "\n" not in str(error)

    if kind in OLD:
        return [(Path(__file__).parents[1] / "stored" / OLD[kind]).read_bytes()], read
    model = build_model([sequence(40)], backbone={"name": "gru", "size": 4})
    model.grams = {}
    save_model(model, folder / "seed.pt")
    return [(folder / "seed.pt").read_bytes()], read


def fuzz(kind: str, seconds: int, found: Path) -> None:
    """Fuzz one reader; libFuzzer ends the process."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["hachimachi"]):
        for module in ("io", "io.arrow", "io.midi.read", "io.split", "live.record.journal", "checkpoint"):
            importlib.import_module(f"hachimachi.{module}")
    from tests.io.test_hostile import SUFFIXES

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds, read = make_seeds(folder, kind)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds):
            (corpus / str(number)).write_bytes(data)
        path = folder / f"input{SUFFIXES.get(kind, '.ckpt' if kind == 'checkpoint' else '.pt')}"
        read(path, seeds[0])  # what is imported for it takes its time before
        longest = max(LONGEST, 2 * max(map(len, seeds)))
        # libFuzzer's own clock is an alarm, which ends a process in which Arrow runs
        limits = (f"-max_total_time={seconds}", f"-max_len={longest}", "-timeout=0", "-rss_limit_mb=2048")
        words = [sys.argv[0], *limits, f"-artifact_prefix={found}/{kind}-", "-print_final_stats=1", str(corpus)]

        def in_time(data: bytes) -> None:
            began = time.process_time()
            read(path, data)
            assert time.process_time() - began < 10

        atheris.Setup(words, in_time)
        atheris.Fuzz()


def main() -> int:
    """Fuzz readers one after the other, each in a process of its own; return 1 where one failed."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing of readers.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each (60)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if wrong := set(options.kinds) - set(KINDS):
        parser.error(f"{', '.join(wrong)}: expected some of {', '.join(KINDS)}")
    found = Path("outputs/fuzz").resolve()
    found.mkdir(parents=True, exist_ok=True)
    if options.one:
        fuzz(options.kinds[0], options.seconds, found)
    failed = 0
    for kind in options.kinds or KINDS:
        command = [sys.executable, "-m", "tests.fuzz.readers", "--one", "--seconds", str(options.seconds), kind]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        runs = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
        covered = re.findall(r"cov: (\d+)", done.stderr)
        ended = re.search(r"^Done \d+ runs", done.stderr, re.MULTILINE)  # PyTorch may fail after that, as Python ends
        outcome = "nothing found" if ended else f"FAILED, see {found}\n{done.stderr[-3000:]}"
        number, reached = (int(each[-1]) if each else 0 for each in (runs, covered))
        print(f"{kind:10} {number:9,} inputs  {reached:6,} branches  {outcome}", flush=True)
        failed += not ended
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
