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
from hachimachi.commands.learner import as_observed
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.live import learning
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.learning import Learning, find_version, link_last
from hachimachi.live.record.journal import Journal, read_journal
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
        self.make(seed)
        self.say("better", 12.5, 13.25)
        return Path(self.asked[-1][1]["output"])

    def make(self, seed: int = 5) -> Path:
        """Do what the process does: leave a version in its folder."""
        asked = self.asked[-1][1]
        path = Path(asked["work"]) / Path(asked["output"]).name
        for name in (f"{path.stem}.json", f"{path.stem}-split.json"):
            path.with_name(name).write_text("{}", encoding="utf-8")
        return make_model(path, seed, asked["model"])

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
    s.make()
    made = Path(asked["output"])
    assert not made.exists()  # before it is told to be better
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
    output = s.make()
    if content is None:
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
    assert Path(s.asked[0][1]["work"]).is_dir()
    s.bench.ensemble.end()
    assert process.poll() is not None
    assert not list((s.folder / "night").iterdir())


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


def test_where_there_are_no_links_last_tells_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, refused = make_model(tmp_path / "version1.pt"), OSError("no links here")

    def refuse(*_: object) -> None:
        raise refused

    monkeypatch.setattr(Path, "symlink_to", refuse)
    link_last(tmp_path / "last", path)
    assert not (tmp_path / "last").is_symlink()
    assert find_version(tmp_path / "last") == path  # by whose name the numbers go on


def test_what_began_with_no_name_has_no_earlier_version(tmp_path: Path) -> None:
    path = make_model(tmp_path / "version1.pt")
    model = load_model(path)
    model.summary["init"] = {"data": {}}
    save_model(model, path)
    with pytest.raises(HachimachiError, match="--from-version 0"):
        find_version(path, 0)


def test_what_the_process_says_may_be_anything(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    for said in (b"no json", b"[]", b'["error"]', b"3"):
        s.bench.hear("/learn")
        s.wait(0.3)
        assert s.theirs is not None and s.learning._process is not None
        s.theirs.sendall(said + b"\n")
        s.wait(0.5)
        s.learning._process.wait(10)
        assert "what plays goes on" in str(s.status("error")[-1][1])
        s.clock.now += 2
    assert len(s.asked) == 4
    s.learn()
    s.wait(12)
    assert s.instrument.model.name == "version1"


def test_no_error_of_a_new_model_ends_the_performance(on_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = on_stage()
    s.play(60)

    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(learning, "make_player", fail)
    s.learn()
    s.wait(12)
    assert "RuntimeError: out of order; what plays goes on" in str(s.status("error")[-1][1])
    monkeypatch.undo()
    assert s.bench.ask("/status")


def test_folders_and_versions_that_are_there_are_left_alone(on_stage: Make) -> None:
    s = on_stage()
    mine, version = s.folder / "night" / "work" / "song.txt", s.folder / "night" / "version7.pt"
    mine.parent.mkdir(parents=True)
    mine.write_text("la la")
    version.write_bytes(b"precious")
    s.play(60)
    s.learn()
    s.wait(12)
    assert s.instrument.model.name == "version8"
    s.bench.ensemble.end()
    assert mine.read_text() == "la la" and version.read_bytes() == b"precious"
    there = {path.name for path in (s.folder / "night").iterdir()}
    assert there == {"work", "version7.pt", "version8.pt", "version8.json", "version8-split.json"}


def test_a_file_in_place_of_its_folder_is_told(on_stage: Make) -> None:
    s = on_stage()
    (s.folder / "night").write_text("a file")
    s.play(60)
    s.bench.hear("/learn")
    s.wait(1)
    assert s.status("error")[-1][0] == "learn" and not s.asked


@pytest.mark.parametrize("moment", ["learning", "getting ready"])
def test_another_model_that_was_loaded_meanwhile_stays(on_stage: Make, moment: str) -> None:
    s = on_stage()
    other = load_player(make_model(s.folder / "other.pt", 3), seed=2)
    s.instrument.models["other"] = LoadedModel("other", other, {}, 2, s.folder / "other.pt")
    s.play(60)
    if moment == "learning":
        s.bench.hear("/learn")
        s.wait(0.3)
        s.make()
        s.bench.hear("/load", "other")
        s.say("better", 1.0, 2.0)
        assert not (s.folder / "night" / "version1.pt").exists()
    else:
        s.learn()
        s.bench.hear("/load", "other")
    s.wait(12)
    assert s.instrument.model.name == "other" and not s.learning.versions
    assert "another model was loaded" in str(s.status("error")[-1][1])


def test_forgetting_what_was_left_by_hand_changes_nothing_that_plays(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.learn()
    s.wait(12)
    s.bench.hear("/load", "lead")
    s.play(40)
    player = s.instrument.model.player
    before = player.state
    s.bench.hear("/forget")
    s.wait(12)
    assert s.instrument.model.player is player and player.state is before
    assert not s.learning.versions and s.learning.status == ("nothing", 0.0)
    assert (s.folder / "last").resolve().stem == "lead"


def test_what_was_left_or_forgotten_is_no_longer_told(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.hear("/learn")
    s.wait(0.3)
    s.bench.hear("/forget")
    assert s.status("learn")[-1] == ["left", 0.0] and s.learning.status == ("nothing", 0.0)
    assert s.learning._process is not None
    s.learning._process.wait(10)
    s.learn()
    s.wait(12)
    s.bench.hear("/forget")
    assert s.status("learn")[-1] == ["forgetting", 0.0]
    assert (s.folder / "last").resolve() == s.learning.versions[-1].resolve()  # also if it ends before the exchange
    s.wait(12)
    assert s.status("learn")[-1] == ["nothing", 0.0]


def test_a_seed_is_that_of_the_model_that_plays(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.instrument.seeds["version1"] = 77  # of an earlier one of this name
    s.learn()
    s.wait(12)
    assert s.instrument.seed == s.instrument.model.seed != 77


def test_without_a_gap_it_begins_after_a_while(on_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = on_stage()
    s.play(60)
    monkeypatch.setattr(s.learning, "_gap", lambda _: 0.01)
    s.bench.hear("/learn")
    s.wait(2 * learning.PATIENCE_SECONDS - 1)
    assert not s.asked
    s.wait(2)
    assert len(s.asked) == 1


def test_a_model_with_a_clock_is_refused(on_stage: Make) -> None:
    s = on_stage()
    s.play(60)
    s.bench.player.encoder.clock = object()
    assert "how much time has passed" in str(s.bench.ask("/learn")[0][3])


def test_what_is_observed_ahead_is_no_past_to_catch_up_with(on_stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    s = on_stage(playing={"mode": "loop"})
    s.play(60)
    s.bench.hear("/start")
    s.bench.hear("/constrain", "time", "range", 0.1, 0.3)
    s.wait(1)
    begun: list[object] = []
    history = s.bench.performer.history
    exchange = history.exchange

    def watch(player: Any, start: Any, heard: Any) -> None:
        begun.append(any(each is heard for each in history._recent))
        exchange(player, start, heard)

    monkeypatch.setattr(history, "exchange", watch)
    s.learn()
    s.wait(30)
    assert s.instrument.model.name == "version1" and begun == [True]


def test_it_learns_in_the_time_of_the_model(on_stage: Make) -> None:
    s = on_stage()
    s.play(30)
    s.bench.hear("/speed", 2.0)
    s.play(30)
    s.bench.hear("/learn")
    s.wait(0.3)
    s.journal.flush()
    speeds = s.asked[0][1]["speeds"]
    assert speeds[-1] == [30, 2.0]
    observed = as_observed(read_journal(s.journal.file), speeds)
    heard = np.array([each.row for each in s.bench.performer.history._recent])
    assert np.diff(observed.at)[:29] == pytest.approx(0.05, abs=1e-5)
    assert np.diff(observed.at)[30:] == pytest.approx(0.1, abs=1e-5)
    assert np.delete(np.diff(observed.at) - heard[1:, 0], 29) == pytest.approx(0, abs=1e-5)  # but where it changed
    assert observed.rows[[29, 30], 2] == pytest.approx([0.3, 0.6])
