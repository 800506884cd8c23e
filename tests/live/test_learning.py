"""Learning on stage, with a clock moved by hand and a stand-in for the process that learns."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.checkpoint import load_model, load_player, save_model
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.live import learning
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.learning import Learning, find_version, link_last
from hachimachi.live.record.journal import Journal
from hachimachi.models.event_model import build_model

NOTES = (Feature("pitch", "integer", min=0, max=127), Feature("velocity", "integer"), Feature("duration", masked=True))


def make_model(path: Path, seed: int = 0, began_with: str = "") -> Path:
    chance = np.random.default_rng(seed)
    data = chance.uniform([48, 40, 0.1], [72, 99, 1.0], (200, 3))
    data[:, :2] = data[:, :2].round()
    model = build_model(
        [EventSequence(NOTES, data, np.cumsum(chance.exponential(0.2, 200)))], {"name": "gru", "size": 8}
    )
    if began_with:
        model.summary["init"] = {"name": began_with}
    save_model(model, path)
    return path


class Stage:
    """An instrument that learns; what its process is asked and says is in the hands of the test."""

    def __init__(self, bench_class: Any, clock: Any, folder: Path, monkeypatch: Any, **options: Any) -> None:
        self.folder, self.asked, self.theirs = folder, [], None
        path = make_model(folder / "lead.pt")
        self.bench = bench_class([load_player(path, seed=1)], clock, **options.pop("playing", {}))
        self.instrument, self.clock = self.bench.instrument, clock
        self.instrument.model = LoadedModel("lead", self.bench.player, {}, 1, path)
        self.instrument.models = {"lead": self.instrument.model}
        self.journal = Journal(folder / "night.json", NOTES, ("you", "lead"), clock)
        monkeypatch.setattr(learning, "start_process", self.start)
        last = folder / "last"
        self.learning = Learning(
            self.instrument, self.bench.ensemble, self.journal, folder / "night", last, clock, **options
        )

    def start(self, module: str, theirs: Any, options: str) -> subprocess.Popen[bytes]:
        self.asked.append((module, json.loads(options)))
        if self.theirs is not None:
            self.theirs.close()
        self.theirs = theirs.dup()
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def play(self, count: int) -> None:
        for i in range(count):
            self.bench.hear("/input", 48 + i % 20, 80)
            self.journal.event(self.clock.now, 0, np.array([48.0 + i % 20, 80.0, 0.3]))
            self.clock.now += 0.05

    def wait(self, seconds: float) -> None:
        """Let time pass, in as many turns as it takes."""
        end = self.clock.now + seconds
        while (deadline := self.bench.ensemble.turn()) is not None and deadline <= end:
            self.clock.now = max(self.clock.now, deadline) + 1e-5
        self.clock.now = max(end, self.clock.now)

    def say(self, *what: str | float) -> None:
        assert self.theirs is not None
        self.theirs.sendall(json.dumps(what).encode() + b"\n")
        self.wait(0.3)
        if what[0] != "training":  # its process has been told to end
            assert self.learning._process is not None
            self.learning._process.wait(10)

    def learn(self, seed: int = 5) -> Path:
        """Learn, and let a better model come of it."""
        self.bench.hear("/learn")
        self.wait(0.3)
        path = Path(self.asked[-1][1]["output"])
        path.parent.mkdir(exist_ok=True)
        make_model(path, seed, self.asked[-1][1]["model"])
        self.say("better", 12.5, 13.25)
        return path

    def status(self, key: str) -> list[list[object]]:
        return [message[2:] for message in self.bench.sent if message[:2] == ["/status", key]]

    def close(self) -> None:
        self.learning.end()
        self.journal.abandon()
        if self.theirs is not None:
            self.theirs.close()


@pytest.fixture
def on_stage(bench_class, fake_clock, tmp_path, monkeypatch):
    made: list[Stage] = []

    def make(**options: Any) -> Stage:
        made.append(Stage(bench_class, fake_clock(), tmp_path, monkeypatch, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[..., Stage]


def test_a_better_model_takes_over_in_a_rest_and_knows_the_past(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn", "mine")
    s.wait(0.2)
    [(module, asked)] = s.asked
    assert module == "hachimachi.commands.learner"
    assert (asked["scope"], asked["model"]) == ("mine", str(s.folder / "lead.pt"))
    assert Path(asked["journal"]).is_file() and asked["output"] == str(s.folder / "night" / "version1.pt")
    s.say("training", 0.5)
    (s.folder / "night").mkdir()
    made = make_model(Path(asked["output"]), 5)
    s.say("better", 12.5, 13.25)
    s.wait(3)
    assert s.status("learn") == [["waiting", 0.0], ["training", 0.5], ["better", 12.5, 13.25]]
    assert s.status("model") == [["version1"]]
    player = s.instrument.model.player
    assert player.moment[1] == 59  # events after the first one
    fresh = load_player(made)
    assert not np.array_equal(player.state.hidden, fresh.state.hidden)
    assert (s.folder / "last").resolve() == made
    assert s.bench.outputs() and not s.learning.at_work


def test_what_it_knows_is_what_it_would_know_had_it_played_all_along(on_stage: Make) -> None:
    s = on_stage()
    s.play(50)
    path = s.learn()
    s.play(7)  # while it gets ready
    s.wait(12)
    assert s.status("model") == [["version1"]]
    alone = load_player(path)
    for row in [each.row for each in s.bench.performer.history._recent]:
        alone.observe(row)
    assert np.allclose(alone.state.hidden, s.instrument.model.player.state.hidden, atol=1e-5)


def test_primers_are_heard_by_the_new_model_too(on_stage: Make) -> None:
    s = on_stage()
    song = np.column_stack([np.full(20, 0.25), 50.0 + np.arange(20), np.full(20, 80.0), np.full(20, 0.2)])
    s.instrument.model = replace(s.instrument.model, phrases={"song": song})
    s.play(60)
    path = s.learn()
    s.wait(12)
    s.bench.hear("/prime", "song")
    assert s.status("prime") == [["song"]]
    alone = load_player(path)
    for row in song:
        alone.observe(row)
    assert np.allclose(alone.state.hidden, s.instrument.model.player.state.hidden)


def test_without_a_rest_it_comes_between_two_events_and_none_is_missed(on_stage: Make) -> None:
    s = on_stage(playing={"mode": "loop"})
    s.play(60)
    s.bench.hear("/start")
    s.bench.hear("/constrain", "time", "range", 0.1, 0.3)  # no rest comes
    s.wait(1)
    s.learn()
    came = s.clock.now
    while not s.status("model"):
        before = s.bench.outputs()
        s.wait(0.4)
        assert s.bench.outputs() > before
        assert s.clock.now < came + 25
    assert s.clock.now > came + learning.PATIENCE_SECONDS - 1
    before = s.bench.outputs()
    s.wait(1)
    assert s.bench.outputs() > before
    assert s.bench.performer.status().latency.largest < 0.005


def test_forget_goes_back_version_by_version(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    for _ in range(2):
        s.learn()
        s.wait(12)
    assert s.instrument.model.name == "version2"
    for name in ("version1", "lead"):
        s.bench.hear("/forget")
        s.wait(12)
        assert s.instrument.model.name == name
        assert (s.folder / "last").resolve().stem == name
    assert s.bench.ask("/forget")[0][:3] == ["/status", "error", "learn"]
    s.learn()
    s.wait(12)
    assert s.instrument.model.name == "version3"  # the file of none is written over


def test_a_second_waits_for_the_first_and_a_third_is_refused(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn")
    s.bench.hear("/learn", "mine")
    assert s.bench.ask("/learn")[0][:3] == ["/status", "error", "learn"]
    s.wait(0.3)
    assert [asked["scope"] for _, asked in s.asked] == ["all"]
    s.say("no better", 13.5, 13.25)
    s.wait(0.5)
    assert s.status("learn")[-1] == ["no better", 13.5, 13.25]
    assert [asked["scope"] for _, asked in s.asked] == ["all", "mine"]
    assert s.instrument.model.name == "lead" and not s.status("model")


def test_of_several_models_one_learns_at_a_time(bench_class, fake_clock, fake_player, tmp_path, monkeypatch) -> None:
    started: list[tuple[subprocess.Popen[bytes], Any]] = []

    def start(module: str, theirs: Any, options: str) -> subprocess.Popen[bytes]:  # noqa: ARG001
        started.append((subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]), theirs.dup()))
        return started[-1][0]

    monkeypatch.setattr(learning, "start_process", start)
    clock = fake_clock()
    b = bench_class([fake_player(), fake_player()], clock)
    journal = Journal(tmp_path / "night.json", NOTES, ("you", "lead", "bass"), clock)
    for instrument in b.instruments:
        instrument.model = LoadedModel(instrument.model.name, instrument.model.player, path=tmp_path / "x.pt")
        Learning(instrument, b.ensemble, journal, tmp_path / instrument.model.name, tmp_path / "last", clock)
    for _ in range(60):
        journal.event(clock.now, 0, np.array([60.0, 80.0, 0.3]))
    b.hear("/learn")
    assert [message[:3] for message in b.sent] == [[f"/{i}/status", "learn", "waiting"] for i in (1, 2)]
    for _ in range(3):
        b.pass_time(0.3)
    assert len(started) == 1
    started[0][1].sendall(b'["no better", 2.0, 1.0]\n')
    b.pass_time(0.3)
    started[0][0].wait(10)
    b.pass_time(0.5)
    assert len(started) == 2
    assert ["/1/status", "learn", "no better", 2.0, 1.0] in b.sent
    b.ensemble.end()
    assert all(process.poll() is not None for process, _ in started)
    for _, theirs in started:
        theirs.close()
    journal.abandon()


@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_a_broken_model_never_reaches_the_stage(on_stage: Make, content: bytes | None) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn")
    s.wait(0.3)
    output = s.folder / "night" / "version1.pt"
    output.parent.mkdir()
    if content is None:
        make_model(output)
        output.write_bytes(output.read_bytes()[:-2000])
    else:
        output.write_bytes(content)
    s.say("better", 1.0, 2.0)
    s.wait(12)
    assert s.status("error")[-1][0] == "learn" and "what plays goes on" in str(s.status("error")[-1][1])
    assert s.instrument.model.name == "lead"
    before = s.bench.outputs()
    s.play(2)
    s.wait(2)
    assert s.bench.outputs() > before


def test_a_process_that_dies_is_told_and_nothing_waits_for_it(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn")
    s.wait(0.3)
    assert s.theirs is not None
    s.theirs.close()
    s.wait(0.5)
    assert s.learning._process is not None
    s.learning._process.wait(10)
    assert "has ended" in str(s.status("error")[0][1])
    s.clock.now += 2
    s.learn()
    s.wait(12)
    assert s.instrument.model.name == "version1"


def test_it_says_why_it_cannot_learn(on_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = on_stage()
    s.play(49)
    reasons = [s.bench.ask("/learn")[0][3]]
    s.play(1)
    s.clock.now += 2
    with monkeypatch.context() as patched:
        patched.setattr(learning, "find_spec", lambda name: None if name == "torch" else name)
        reasons.append(s.bench.ask("/learn")[0][3])
    s.clock.now += 2
    s.learning._journal = None
    reasons.append(s.bench.ask("/learn")[0][3])
    assert "49 events were played, expected 50" in reasons[0]
    assert "torch is not installed" in reasons[1]
    assert "--log none" in reasons[2]
    assert s.bench.ask("/learn", "yours")[0][:3] == ["/status", "error", "value"]
    assert s.bench.ask("/learn", 0) == []  # a button on its way up
    assert not s.asked


def test_left_to_itself_it_learns_after_each_silence(on_stage: Make) -> None:
    s = on_stage(unasked=True, playing={"silence": 1.5})
    s.wait(10)
    s.play(49)
    s.wait(3)
    assert not s.asked
    s.play(5)
    s.wait(1.3)
    assert not s.asked
    s.wait(0.5)
    assert len(s.asked) == 1
    s.say("no better", 2.0, 1.0)
    s.wait(5)
    assert len(s.asked) == 1  # nothing is new
    s.play(50)
    s.wait(2)
    assert len(s.asked) == 2


def test_nothing_is_left_running_at_the_end(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn")
    s.wait(0.3)
    process = s.learning._process
    assert process is not None and process.poll() is None
    s.bench.hear("/learn")
    (s.folder / "night" / "work").mkdir(parents=True)
    s.bench.ensemble.end()
    assert process.poll() is not None
    assert not (s.folder / "night" / "work").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="handles are counted on Linux")
def test_ten_in_a_row_leave_memory_and_handles_flat(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)

    def learn(count: int) -> tuple[int, int, int]:
        for _ in range(count):
            s.learn()
            s.wait(12)
        s.bench.sent.clear()
        gc.collect()
        handles = len(list(Path("/proc/self/fd").iterdir()))
        return handles, tracemalloc.get_traced_memory()[0], len(s.instrument.models)

    tracemalloc.start()
    try:
        handles, memory, models = learn(3)
        after = learn(10)
    finally:
        tracemalloc.stop()
    assert s.instrument.model.name == "version13"
    assert after[0] <= handles and after[2] == models == 2
    assert after[1] - memory < 200_000  # a model takes more


def test_a_version_is_found_by_number_link_or_folder(tmp_path: Path) -> None:
    origin, evening, next_evening = tmp_path / "lead.pt", tmp_path / "one", tmp_path / "two"
    evening.mkdir()
    next_evening.mkdir()
    before, line = str(origin), [make_model(origin)]
    for path in (evening / "version1.pt", evening / "version2.pt", next_evening / "version3.pt"):
        line.append(make_model(path))
        model = load_model(path)
        earlier = load_model(line[-2]).summary
        model.summary = {"init": {"name": before, **({"init": earlier["init"]} if "init" in earlier else {})}}
        save_model(model, path)
        before = str(path)
    link_last(tmp_path / "last", line[-1])
    assert find_version(tmp_path / "last") == find_version(next_evening) == line[-1].resolve()
    assert find_version(evening) == line[2]
    assert [find_version(tmp_path / "last", number) for number in range(4)] == [line[0], *line[1:3], line[3].resolve()]
    with pytest.raises(HachimachiError, match="--from-version 7"):
        find_version(line[-1], 7)
    with pytest.raises(HachimachiError, match="is a folder"):
        load_player(find_version(tmp_path))


def test_where_there_are_no_links_last_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, refused = make_model(tmp_path / "version1.pt"), OSError("no links here")

    def refuse(*_: object) -> None:
        raise refused

    monkeypatch.setattr(Path, "symlink_to", refuse)
    link_last(tmp_path / "last", path)
    assert (tmp_path / "last").read_bytes() == path.read_bytes() and not (tmp_path / "last").is_symlink()
