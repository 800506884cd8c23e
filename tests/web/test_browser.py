"""The page in a real browser: played, heard, steered, by hand and by key, at every size, and when things go wrong."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from hachimachi.checkpoint import save_model
from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import EventModel, build_model
from tests.web.browser import START, Performance, chromium, find_chromium, resident, until

pytestmark = pytest.mark.slow
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
GROWTH = 12 << 20
"""Bytes by which a process may grow once it is warm."""
EVENTS_A_SECOND = 50
MANY = 10_000
FRAME_MS = 33.0
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def note_file(note_model: EventModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "notes.pt"
    save_model(note_model, path)
    return path


@pytest.fixture(scope="session")
def gesture_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a hand: two positions, a pressure and a mode of four."""
    chance = np.random.default_rng(0)
    columns = [
        chance.normal(0, 1, 200),
        chance.normal(0, 1, 200),
        chance.integers(0, 128, 200),
        chance.integers(0, 4, 200),
    ]
    features = (Feature("x"), Feature("y"), Feature("pressure"), Feature("mode", "categorical"))
    path = tmp_path_factory.mktemp("web") / "hand.pt"
    model = build_model(
        [EventSequence(features, np.stack(columns, 1), np.linspace(0.0, 19.9, 200))], {"name": "gru", "size": 8}
    )
    save_model(model, path)
    return path


@pytest.fixture
def perform(tmp_path: Path) -> Iterator[Callable[..., Performance]]:
    find_chromium()
    begun: list[Performance] = []

    def begin(model: Path, *options: str) -> Performance:
        begun.append(Performance(model, tmp_path, *options))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.close()
        each.patch.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium(viewport={"width": 1280, "height": 800}) as context:
        yield context


def open_page(context: Any, link: str) -> Any:
    """Open the page, wait until it knows the model, and put its parts into the window."""
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
    page.goto(link)
    page.evaluate(START)
    until(page, "window.store?.model && store.model.state.mode && store.model.steering.seed !== undefined")
    return page


def test_a_key_is_answered_seen_and_heard(perform, browser, note_file) -> None:
    played = perform(note_file, "--mode", "duet")
    page = open_page(browser, played.link)
    assert page.locator("#hint").is_visible()
    page.keyboard.down("a")  # the first touch starts the sound, too
    until(page, "store.model.events.some(event => event.who === 0)")
    page.wait_for_timeout(500)
    page.keyboard.up("a")
    assert not page.locator("#hint").is_visible()
    until(page, "store.model.events.filter(event => event.who === 1 && event.sounded).length > 5")
    until(page, "sound.running && sound.level() > 0.005")
    played.hear("/output")
    # what was played has an end, since the key rose, and both are in the picture in their colours
    assert page.evaluate("store.model.events.find(event => event.who === 0).end !== null")
    page.wait_for_timeout(300)
    seen = page.evaluate(
        """() => {
          const { canvas, context } = roll;
          const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
          const count = (hex) => {
            const wanted = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
            let found = 0;
            const near = (i) => wanted.every((each, j) => Math.abs(each - data[i + j]) < 4);
            for (let i = 0; i < data.length; i += 4) found += near(i);
            return found;
          };
          return [count(roll.colours.you), count(roll.colours.model)];
        }"""
    )
    assert min(seen) > 3
    page.get_by_role("button", name="Mute").click()
    until(page, "sound.level() < 0.0005")


def test_what_is_scheduled_is_lighter_and_right_of_the_line(perform, browser, note_file) -> None:
    played = perform(note_file, "--loop", "--speed", "0.1")
    page = open_page(browser, played.link)
    until(page, "store.model.scheduled.size > 0")
    ahead = page.evaluate("[...store.model.scheduled.values()].map(event => event.at - link.now())")
    assert max(ahead) > 0
    page.get_by_role("button", name="Panic").click()
    until(page, "store.model.scheduled.size === 0")  # it was cancelled, and is not drawn


def test_fingers_play_chords_louder_near_the_front_and_glide(perform, note_file) -> None:
    with chromium(viewport={"width": 800, "height": 700}, has_touch=True) as context:
        played = perform(note_file)
        page = open_page(context, played.link)
        boxes = [page.locator(f"[data-pitch='{pitch}']").bounding_box() for pitch in (60, 64, 67)]
        points = [
            {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * 0.95, "id": i}
            for i, box in enumerate(boxes)
        ]
        points[1]["y"] = boxes[1]["y"] + boxes[1]["height"] * 0.7
        session = context.new_cdp_session(page)
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
        until(page, "store.model.events.filter(event => event.who === 0).length === 3")
        heard = {
            event[0]: event[1]
            for event in page.evaluate("store.model.events.filter(e => e.who === 0).map(e => e.values)")
        }
        assert set(heard) == {60, 64, 67}
        assert heard[60] > heard[64] + 5
        points[0]["x"] = boxes[0]["x"] + boxes[0]["width"] * 1.5  # to the next white key
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
        until(page, "store.model.events.some(event => event.values[0] === 62 && event.who === 0)")
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        until(page, "player.held.size === 0")
        until(page, "store.model.events.filter(e => e.who === 0).every(e => e.end !== null)")


def test_a_temperature_is_asked_and_read_back_everywhere(perform, browser, note_file) -> None:
    played = perform(note_file)
    page, other = open_page(browser, played.link), open_page(browser, played.link)
    control = "[data-control=temperature] .number"
    page.locator(control).fill("0.7")
    page.locator(control).press("Enter")
    played.hear("/status", "temperature", 0.7)
    for each in (page, other):
        until(each, f"document.querySelector('{control}').value === '0.7'")
    played.send("/temperature", 1.25)  # a patch
    for each in (page, other):
        until(each, f"document.querySelector('{control}').value === '1.25'")
    slider = other.get_by_role("slider", name="top-p", exact=True).first
    slider.focus()
    slider.press("Home")
    until(page, "store.model.number('top_p') === 0.05")
    page.locator(control).fill("-3")
    page.locator(control).press("Enter")
    page.locator("#message").filter(has_text="temperature").wait_for()
    until(page, f"document.querySelector('{control}').value === '1.25'")  # as it still is


def test_every_control_of_a_feature_steers(perform, browser, note_file) -> None:
    played = perform(note_file, "--seed", "5", "--primer-file", str(_primer(note_file)))
    page = open_page(browser, played.link)
    for name in ("features", "more"):
        page.locator(f"#{name} > summary").click()
    page.locator("#features details", has_text="pitch").first.locator("summary").click()
    page.get_by_label("Scale").select_option("minor")
    played.hear("/status", "constrain", "pitch", "scale", "C minor")
    page.get_by_label("Tonic").select_option("Eb")
    played.hear("/status", "constrain", "pitch", "scale", "Eb minor")
    page.get_by_label("pitch, lowest").fill("50")
    page.get_by_label("pitch, lowest").press("Enter")
    played.hear("/status", "constrain", "pitch", "range", 50, "-")
    until(page, "[...document.querySelectorAll('#features small')].some(each => each.textContent.includes('Eb minor'))")
    page.get_by_role("button", name="As learned").click()
    played.hear("/status", "release", "pitch")
    until(page, "document.querySelector('[aria-label=\"pitch, lowest\"]').value === ''")
    assert page.locator("[data-control=seed] input").input_value() == "5"
    page.locator("[data-control=seed] input").fill("4123456789")
    page.get_by_role("button", name="Begin the chances").click()
    played.hear("/status", "seed", "4123456789")
    page.get_by_role("button", name="Go on from it").click()
    played.hear("/status", "prime", "opening")
    page.get_by_role("button", name="respond").click()
    played.hear("/status", "mode", "respond")
    until(page, "document.querySelector('[data-mode=respond]').getAttribute('aria-pressed') === 'true'")
    page.get_by_role("button", name="follow").click()
    played.hear("/status", "mode", "follow")
    page.get_by_role("button", name="Start").click()
    page.locator("#message").filter(has_text="nothing to start").wait_for()


def _primer(model: Path) -> Path:
    from hachimachi.io import write

    features = (Feature("pitch"), Feature("velocity"), Feature("duration"))
    data = np.array([[60.0, 80.0, 0.2], [64.0, 80.0, 0.2]])
    path = model.with_name("opening.json")
    write(path, EventSequence(features, data, np.array([0.0, 0.5])))
    return path


def test_what_are_not_notes_have_sliders_a_pad_and_tones(perform, browser, gesture_file) -> None:
    played = perform(gesture_file, "--mode", "duet")
    page = open_page(browser, played.link)
    box = page.locator(".pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"], steps=10)
    page.mouse.up()
    low, high = page.evaluate("[store.model.column.x.low, store.model.column.x.high]")
    until(page, f"store.model.events.some(event => event.who === 0 && Math.abs(event.values[0] - {high}) < 1e-3)")
    slider = page.locator(".sliders").get_by_label("x")
    slider.focus()
    slider.press("Home")
    until(page, f"store.model.events.some(event => event.who === 0 && Math.abs(event.values[0] - {low}) < 1e-3)")
    page.locator(".sliders select").select_option("2")
    until(page, "store.model.events.some(event => event.who === 0 && event.values[3] === 2)")
    assert page.evaluate("sound.level()") == 0
    page.get_by_label("tones for what are not notes").check()
    until(page, "sound.level() > 0.002")
    assert page.get_by_role("button", name="loop").is_enabled()
    page.locator("#features > summary").click()
    page.locator("#features details", has_text="mode").last.locator("summary").click()
    page.locator("#features fieldset").get_by_label("3", exact=True).click()  # checked until it is answered
    played.hear("/status", "constrain", "mode", "values", 0, 1, 2)


def test_several_models_have_a_tab_each(perform, browser, note_file, gesture_file) -> None:
    played = perform(note_file, str(gesture_file), "--mode", "duet")
    page = open_page(browser, played.link)
    page.get_by_role("button", name="hand").click()
    assert page.locator(".pad").is_visible()
    page.locator("[data-control=temperature] .number").fill("0.4")
    page.locator("[data-control=temperature] .number").press("Enter")
    played.hear("/2/status", "temperature", 0.4)
    until(page, "store.models[1].number('temperature') === 0.4 && store.models[0].number('temperature') === 1")


def test_what_can_be_learned_is_asked_and_told(perform, browser, note_file) -> None:
    played = perform(note_file, "--mode", "loop", "--start", "--log", "night.json")
    page = open_page(browser, played.link)
    page.locator("#forget").click()
    until(page, "document.getElementById('message').textContent.includes('nothing has been learned')")
    until(page, "store.model.state.played > 60")
    page.locator("#learn").click()
    until(page, "['waiting', 'preparing'].includes(document.getElementById('learned').textContent)")
    page.locator("#forget").click()
    until(page, "document.getElementById('learned').textContent === 'left'")


def test_the_music_goes_on_without_the_page_and_it_comes_again(perform, browser, note_file, tmp_path) -> None:
    played = perform(note_file, "--loop")
    page = open_page(browser, played.link)
    until(page, "store.model.events.length > 5")
    os.kill(played.page_process, signal.SIGKILL)
    page.locator("#state").filter(has_text="Connection lost").wait_for()
    played.drain()
    time.sleep(2)
    assert played.drain() > 5
    port = played.link.rstrip("/").rpartition(":")[2]
    words = ["page", "--in-port", str(played.port), "--web-port", port]
    with subprocess.Popen(
        [sys.executable, "-m", "hachimachi.cli", *words], cwd=tmp_path, stdout=subprocess.PIPE
    ) as again:
        try:
            page.locator("#state").filter(has_text="Playing").wait_for()
            before = page.evaluate("store.model.events.length")
            until(page, f"store.model.events.length > {before} + 5")
        finally:
            again.send_signal(signal.SIGINT)
            again.wait(20)
    assert again.returncode == 0
    assert "late p50" in played.close()


def test_that_the_performance_ended_is_seen(perform, browser, note_file) -> None:
    played = perform(note_file, "--loop")
    page = open_page(browser, played.link)
    until(page, "store.model.events.length > 5")
    played.close()
    page.locator("#state").filter(has_text="Connection lost").wait_for()


@pytest.mark.parametrize("path", ["socket", "keep/performance.json"])
def test_another_site_reaches_nothing(perform, browser, note_file, tmp_path, path) -> None:
    played = perform(note_file)
    (tmp_path / "index.html").write_text("<title>elsewhere</title>", encoding="utf-8")

    class Elsewhere(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Elsewhere) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://localhost:{site.server_address[1]}/")
        host = played.link.removeprefix("http://").rstrip("/")
        if path == "socket":
            opened = page.evaluate(
                """url => new Promise(done => {
                  const socket = new WebSocket(url);
                  socket.onopen = () => done(true);
                  socket.onerror = () => done(false);
                })""",
                f"ws://{host}/{path}",
            )
            assert not opened
        else:
            with pytest.raises(Exception, match="Failed to fetch"):
                page.evaluate("url => fetch(url).then(answer => answer.text())", f"http://{host}/{path}")
        site.shutdown()


def test_from_another_address_it_takes_the_link(perform, browser, note_file) -> None:
    played = perform(note_file, "--web-address", "0.0.0.0")
    page = open_page(browser, played.link)
    host, _, token = played.link.partition("#")
    assert page.url == host  # the token has left the address
    assert token not in page.evaluate("document.cookie")
    page.locator("#state").filter(has_text="Listening").wait_for()
    if not page.evaluate("window.isSecureContext"):
        assert "plain http" in page.locator("#sound .hint").inner_text()
        page.keyboard.press("a")
        until(page, "sound.running")  # sound works there all the same
    page.reload()
    page.locator("#state").filter(has_text="Listening").wait_for()  # the cookie is enough
    browser.clear_cookies()  # a stranger
    page.goto("about:blank")
    for link in (host, f"{host}#{'x' * len(token)}"):
        page.goto(link)
        page.wait_for_timeout(1500)
        assert "Listening" not in page.locator("#state").inner_text()


def test_the_browsers_midi_ports_play_and_are_played(perform, browser, note_file) -> None:
    browser.add_init_script(
        """window.sent = [];
        window.keys = { name: "Keys", onmidimessage: null };
        const out = { id: "o", name: "Synth", send: (bytes, at) => sent.push([...bytes, at]) };
        const access = { inputs: new Map([["i", keys]]), outputs: new Map([["o", out]]) };
        navigator.requestMIDIAccess = async () => access;"""
    )
    played = perform(note_file, "--mode", "duet")
    page = open_page(browser, played.link)
    page.get_by_role("button", name="Use this device's ports").click()
    page.get_by_label("MIDI out").select_option("o")
    page.evaluate("keys.onmidimessage({ data: [0x90, 61, 100] })")
    until(page, "store.model.events.some(event => event.who === 0 && event.values[0] === 61)")
    page.evaluate("keys.onmidimessage({ data: [0x80, 61, 0] })")
    until(page, "sent.filter(each => each[0] === 0x90).length > 3")
    sent = page.evaluate("sent")
    ons = [each for each in sent if each[0] == 0x90]
    offs = [each for each in sent if each[0] == 0x80]
    assert offs and all(1 <= each[2] <= 127 for each in ons)
    model = {values[0] for values in page.evaluate("store.model.events.filter(e => e.who === 1).map(e => e.values)")}
    assert {each[1] for each in ons} <= model


def test_what_was_played_is_saved(perform, browser, note_file, tmp_path) -> None:
    played = perform(note_file, "--loop")
    page = open_page(browser, played.link)
    until(page, "store.model.events.filter(event => event.sounded).length > 10")
    page.locator("#keep > summary").click()
    for name, suffix in (("MIDI", ".mid"), ("JSON", ".json"), ("WAV", ".wav")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        path = tmp_path / f"saved{suffix}"
        download.value.save_as(path)
        assert download.value.suggested_filename.endswith(suffix)
    notes = [each for each in mido.MidiFile(tmp_path / "saved.mid") if each.type == "note_on" and each.velocity]
    assert len(notes) > 10
    assert len(json.loads((tmp_path / "saved.json").read_text())["data"]) >= len(notes)
    assert (tmp_path / "saved.wav").read_bytes().startswith(b"RIFF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (1280, 800), (1920, 1080)], ids=str)
def test_it_fits_and_has_names_for_a_screen_reader(perform, note_file, gesture_file, size, scheme) -> None:
    with chromium(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme) as context:
        for model in (note_file, gesture_file):
            played = perform(model, "--loop")
            page = open_page(context, played.link)
            for details in page.locator("details").all():
                details.evaluate("each => (each.open = true)")
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            unnamed = page.evaluate(
                """[...document.querySelectorAll('button, input, select, [role=application]')]
                   .filter(each => !each.getAttribute('aria-label') && !each.labels?.length && !each.textContent.trim())
                   .map(each => each.outerHTML)"""
            )
            assert unnamed == []
            small = page.evaluate(
                """[...document.querySelectorAll('button, select')]
                   .filter(each => each.offsetParent && !each.dataset.pitch && each.offsetHeight < 32)
                   .map(each => each.outerHTML)"""
            )
            assert small == []
            assert page.locator("#state").evaluate("each => parseFloat(getComputedStyle(each).fontSize)") >= 22
            played.close()


def test_by_keyboard_alone(perform, browser, note_file) -> None:
    played = perform(note_file)
    page = open_page(browser, played.link)
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(each => each.id || each.ariaLabel || each.textContent)(document.activeElement)"))
        if reached[-1].startswith("C") and page.evaluate("document.activeElement.dataset.pitch"):
            break
    assert {"theme", "start", "panic", "duet"} <= set(reached)
    page.keyboard.press("ArrowRight")
    pitch = int(page.evaluate("document.activeElement.dataset.pitch"))
    page.keyboard.press("Space")
    until(page, f"store.model.events.some(event => event.who === 0 && event.values[0] === {pitch})")
    page.keyboard.press("Escape")
    played.hear("/status", "state")
    page.keyboard.press("x")
    page.keyboard.press("a")
    until(page, f"store.model.events.some(event => event.who === 0 && event.values[0] > {pitch})")


def test_ten_thousand_notes_in_view(perform, browser, note_file) -> None:
    played = perform(note_file)
    page = open_page(browser, played.link)
    page.evaluate(
        f"""() => {{
          roll.seconds = 60;
          const now = link.now();
          for (let i = 0; i < {MANY}; i++) {{
            const at = now - 40 + 45 * i / {MANY};
            const values = [36 + (i * 7) % 60, 60 + i % 60, 0.5];
            store.model.events.push({{ at, end: at + 0.5, who: i % 2, values, number: 0, sounded: true }});
          }}
          roll.frames = [];
        }}"""
    )
    page.wait_for_timeout(4000)
    gaps = page.evaluate(
        """() => new Promise(done => {
          const at = [];
          const gaps = () => at.slice(1).map((each, i) => each - at[i]);
          const step = (now) => at.push(now) < 121 ? requestAnimationFrame(step) : done(gaps());
          requestAnimationFrame(step);
        })"""
    )
    drawn = page.evaluate("roll.frames")
    figures = {"drawing": float(np.percentile(drawn, 95)), "frame to frame": float(np.percentile(gaps, 95))}
    print(figures)
    assert max(figures.values()) <= FRAME_MS, figures


def test_ten_minutes_leave_page_and_process_as_they_were(perform, browser, note_file) -> None:
    played = perform(note_file, "--loop", "--speed", str(EVENTS_A_SECOND / 10))
    page = open_page(browser, played.link)
    page.keyboard.press("a")
    session = browser.new_cdp_session(page)
    session.send("Performance.enable")

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")

    page.wait_for_timeout(min(SOAK_SECONDS / 5, 100) * 1000)  # what is seen and sounds has reached its size
    before, server = heap(), resident(played.page_process)
    page.wait_for_timeout(SOAK_SECONDS * 1000 - min(SOAK_SECONDS / 5, 100) * 1000)
    rate = page.evaluate("store.model.rate(link.now())[1]")
    grown = {"page": heap() - before, "server": resident(played.page_process) - server}
    print(grown, rate)
    assert rate > 0.6 * EVENTS_A_SECOND
    assert max(grown.values()) < GROWTH
    assert page.evaluate("sound.voices.size") <= 65
