"""The page's server, without a browser: what it passes on, whom it answers, and how much it takes."""

from __future__ import annotations

import asyncio
import io
import json
import time
from functools import partial

import aiohttp
import mido
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.live.screen.snapshot import CANCELLED, MODEL, RELEASED, SCHEDULED, YOU
from hachimachi.web import relay, server
from hachimachi.web.launch import PageOptions, bind
from tests.web.conftest import Page, answers, event


def test_a_note_goes_in_and_the_answer_comes_out(with_page) -> None:
    async def play(page: Page) -> None:
        await page.open()
        hello = await page.until(lambda packet: packet.get("about") and packet)
        assert [column["name"] for column in hello["about"][0]["columns"]] == ["time", "pitch", "velocity", "duration"]
        await page.send("/input", 60, 80)
        heard = await page.until(partial(event, who=YOU))
        assert heard[2] == [60, 80, None]
        scheduled = await page.until(partial(event, who=SCHEDULED))
        played = await page.until(lambda packet: (found := event(packet, MODEL)) and found[3] == scheduled[3] and found)
        assert played[2] == scheduled[2]
        assert played[0] == pytest.approx(scheduled[0], abs=1e-5)
        await page.send("/input", 60, 0)
        assert (await page.until(partial(event, who=RELEASED)))[2] == [60]

    with_page(play)


def test_what_waits_is_told_to_be_cancelled(with_page) -> None:
    async def play(page: Page) -> None:
        await page.open()
        await page.send("/start")
        number = (await page.until(partial(event, who=SCHEDULED)))[3]
        await page.send("/panic")
        last = (await page.until(partial(event, who=CANCELLED)))[3]
        assert last >= number

    with_page(play)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (("/temperature", 0.7), ["temperature", 0.7]),
        (("/temperature", "pitch", 0.123456789), ["temperature", "pitch", 0.123456789]),
        (("/seed", "4000000001"), ["seed", "4000000001"]),
        (("/seed", 16777217), ["seed", 16777217]),
        (("/speed", 1.1), ["speed", 1.1]),
        (("/constrain", "velocity", "range", 40.5, "-"), ["constrain", "velocity", "range", 40.5, "-"]),
        (("/constrain", "pitch", "scale", "C minor"), ["constrain", "pitch", "scale", "C minor"]),
        (("/polyphony", 3), ["polyphony", 3]),
        (("/mode", "respond"), ["mode", "respond"]),
    ],
    ids=lambda each: " ".join(map(str, each)),
)
def test_numbers_come_back_with_all_their_digits(with_page, sent, answered) -> None:
    async def steer(page: Page) -> None:
        await page.open()
        await page.send(*sent)
        assert await page.until(lambda packet: answered[1:] in answers(packet, answered[0]))

    with_page(steer)


def test_two_pages_agree_and_a_mistake_is_told(with_page) -> None:
    async def steer(page: Page) -> None:
        other = page.another()
        await page.open()
        await other.open()
        await page.send("/temperature", 0.3)
        assert await other.until(lambda packet: [0.3] in answers(packet, "temperature"))
        await page.send("/temperature", "nothing", 0.5)
        await page.send("/min_p", "nothing", 0.5)  # the same kind of mistake, by another route
        for route in ("/temperature", "/min_p"):
            assert await other.until(lambda packet, of=route: of in str(answers(packet, "error")))

    with_page(steer)


def test_the_clock_is_that_of_the_events(with_page) -> None:
    async def ask(page: Page) -> None:
        await page.open()
        await page.socket.send_json({"ping": 12.5})
        before = time.perf_counter()
        answer = await page.until(lambda packet: "pong" in packet and packet)
        assert answer["pong"] == 12.5
        assert abs(answer["clock"] - before) < 5
        await page.socket.send_json({"osc": ["/input", 60, 80], "at": answer["clock"] - 0.1})
        heard = await page.until(partial(event, who=YOU))
        assert heard[0] == pytest.approx(answer["clock"] - 0.1, abs=0.05)

    with_page(ask)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"osc": ["/stop"]}, "nothing that a page may send"),
        ({"osc": ["/1/stop"]}, "nothing that a page may send"),
        ({"osc": ["/feed"]}, "nothing that a page may send"),
        ({"osc": ["/etc/passwd"]}, "nothing that a page may send"),
        ({"osc": ["/load", "x" * 100]}, "at most 64 letters"),
        ({"osc": ["/input", [60]]}, "expected numbers and texts"),
        ({"osc": ["/input", True]}, "expected numbers and texts"),
        ({"osc": ["/input", 1e30]}, "expected numbers and texts"),
        ({"osc": ["/input", *[1] * 600]}, "nothing that a page may send"),
        ({"osc": []}, "not enough values"),
        ({"osc": 3}, ""),
        ({"ping": "x"}, "could not convert"),
        ([], ""),
        ({}, ""),
    ],
    ids=str,
)
def test_what_a_page_may_not_send(with_page, message, text) -> None:
    async def ask(page: Page) -> None:
        await page.open()
        await page.socket.send_json(message)
        assert text in await page.until(lambda packet: packet.get("refused", "") + "!" if "refused" in packet else "")
        await page.send("/temperature", 0.9)  # and it is heard after that
        assert await page.until(lambda packet: [0.9] in answers(packet, "temperature"))

    with_page(ask)


def test_models_and_primers_are_names_and_never_paths(with_page) -> None:
    async def ask(page: Page) -> None:
        await page.open()
        await page.send("/load", "../../etc/passwd")
        [(kind, text)] = await page.until(partial(answers, key="error"))
        assert (kind, text.split(":")[0]) == ("value", "/load '../../etc/passwd'")

    with_page(ask)


def test_the_files_of_the_page_and_no_others(with_page) -> None:
    async def look(page: Page) -> None:
        code, body, headers = await page.get("/")
        assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy and policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert b"<script>" not in body and b"style=" not in body and b"onclick" not in body
        code, body, headers = await page.get("/page/main.js")
        assert (code, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        for path in (
            "/page/../server.py",
            "/page/%2e%2e%2fserver.py",
            "/page/",
            "/server.py",
            "/page/none.js",
            "/keep",
        ):
            assert (await page.get(path))[0] == 404

    with_page(look)


def test_nothing_comes_from_elsewhere() -> None:
    for path in server.FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "").replace("http://192.168", "")
        for each in text.split("http://")[1:]:
            assert each.startswith(("localhost:", "${location")), (path.name, each[:40])
        assert "https://" not in text
        assert "eval(" not in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", ""])
def test_another_name_is_refused(with_page, host) -> None:
    async def ask(page: Page) -> None:
        for path in ("/", "/page/main.js", "/keep/performance.json", "/socket"):
            assert (await page.get(path, Host=host))[0] == 421
        assert (await page.post("/enter", "", Host=host))[0] == 421

    with_page(ask)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1", "null", "https://{host}", ""])
def test_another_origin_is_refused(with_page, origin) -> None:
    async def ask(page: Page) -> None:
        foreign = origin.format(host=page.host)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await page.open(Origin=foreign)
        assert refused.value.status == 403
        assert (await page.get("/keep/performance.json", Origin=foreign))[0] == 403
        assert (await page.get("/keep/performance.json", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):  # no browser sends none
            await page.session.ws_connect(f"ws://{page.host}/socket")

    with_page(ask)


def test_elsewhere_than_on_loopback_a_token_is_needed(with_page) -> None:
    async def ask(page: Page) -> None:
        assert len(page.options.token) >= 20
        assert page.options.link == f"http://{page.host}/#{page.options.token}"
        assert "who has this link" in page.options.line[2]
        assert (await page.get("/"))[0] == 200  # the page itself tells nothing
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await page.open()
        assert refused.value.status == 401
        assert (await page.get("/keep/performance.json"))[0] == 401
        assert (await page.post("/enter", page.options.token[:-1]))[0] == 401
        assert (await page.post("/enter", ""))[0] == 401
        assert (await page.post("/enter", "x" * 5000))[0] == 413
        code, _, headers = await page.post("/enter", page.options.token)
        assert code == 204
        assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
        await page.open()
        await page.until(lambda packet: packet.get("about"))

    with_page(ask, address="0.0.0.0")


def test_sizes_rates_and_connections_are_bounded(with_page, monkeypatch) -> None:
    monkeypatch.setattr(server, "BURST", 20)
    monkeypatch.setattr(server, "MOST_A_SECOND", 50)
    monkeypatch.setattr(server, "MOST_PAGES", 3)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 6)

    async def ask(page: Page) -> None:
        await page.open()
        began = time.monotonic()
        for i in range(60):
            await page.socket.send_json({"ping": i})
        await page.until(lambda packet: packet.get("pong") == 59)
        assert time.monotonic() - began > 0.6  # forty more than at once, at fifty a second
        pages = [page.another() for _ in range(3)]
        for each in pages[:2]:
            await each.open()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await pages[2].open()
        assert refused.value.status == 503
        await page.socket.send_str(json.dumps({"osc": ["/mode", "x" * 20_000]}))
        async with asyncio.timeout(10):
            while not page.socket.closed:
                await page.socket.receive()
        assert page.socket.close_code == 1009
        host, port = page.host.split(":")
        open_connections = [await asyncio.open_connection(host, int(port)) for _ in range(10)]
        await asyncio.sleep(0.2)
        dropped = [await asyncio.wait_for(_is_closed(reader), 5) for reader, _ in open_connections]
        assert sum(dropped) >= 5
        for _, writer in open_connections:
            writer.close()

    with_page(ask)


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 0.2) == b""
    except ConnectionError:
        return True
    except asyncio.TimeoutError:
        return False


def test_a_page_that_does_not_read_is_let_go() -> None:
    hub = server.PageServer(["127.0.0.1:1"])
    queue: server.Queue = server.Queue(server.UNSENT)
    hub._queues.add(queue)
    for number in range(2 * server.UNSENT):
        hub._tell(str(number))
    assert queue.qsize() == server.UNSENT
    assert not hub._queues


def test_what_was_played_is_kept_as_midi_json_and_sound(with_page) -> None:
    async def keep(page: Page) -> None:
        await page.open()
        await page.until(lambda packet: packet.get("about"))
        stale = {"Cookie": f"hxmx-{page.host.rpartition(':')[2]}=of-another-time"}
        assert (await page.get("/keep/performance.json", **stale))[0] == 409
        await page.send("/input", 60, 80)
        await page.until(partial(event, who=YOU))
        await asyncio.sleep(0.3)
        await page.send("/input", 60, 0)
        await page.until(partial(event, who=RELEASED))
        await page.until(lambda _: len([1 for each in page.packets if event(each, MODEL)]) > 3)
        code, body, headers = await page.get("/keep/performance.json?seconds=60")
        assert code == 200
        assert headers["Content-Disposition"].startswith('attachment; filename="hachimachi-2')
        data = json.loads(body)
        names = [each["name"] for each in data["features"].values()]
        assert names == ["pitch", "velocity", "duration", "player"]
        first = dict(zip(names, data["data"][0], strict=True))
        assert (first["pitch"], first["velocity"], first["player"]) == (60, 80, 0)
        assert first["duration"] == pytest.approx(0.3, abs=0.15)
        assert {row[-1] for row in data["data"]} == {0, 1}
        code, body, _ = await page.get("/keep/performance.mid")
        tracks = [
            {each.note for each in track if each.type == "note_on"}
            for track in mido.MidiFile(file=io.BytesIO(body)).tracks
        ]
        assert {60} in tracks and len([track for track in tracks if track]) == 2
        code, body, _ = await page.get("/keep/performance.wav?seconds=5")
        assert (code, body[:4]) == (200, b"RIFF")
        for path in ("performance.csv", "other.mid", "performance.mid?model=4", "performance.mid?seconds=x"):
            assert (await page.get(f"/keep/{path}"))[0] == 404

    with_page(keep)


def test_a_page_that_comes_later_sees_what_was(with_page) -> None:
    async def come(page: Page) -> None:
        await page.open()
        await page.until(lambda packet: packet.get("about"))
        await page.send("/input", 61, 80)
        await page.until(partial(event, who=YOU))
        later = page.another()
        await later.open()
        hello = await later.until(lambda packet: packet.get("hello") and packet)
        assert not hello["lost"]
        assert [60 + 1, 80, None] in [each[2] for each in hello["events"]]

    with_page(come)


def test_that_the_performance_is_gone_is_told(with_page, stage, monkeypatch) -> None:
    monkeypatch.setattr(relay, "LAPSE_SECONDS", 0.5)

    async def wait(page: Page) -> None:
        await page.open()
        await page.until(lambda packet: packet.get("about"))
        await page.send("/temperature", 0.9)
        stage.ensemble.instruments[0].stopped = True
        await page.until(lambda packet: packet.get("lost"))

    with_page(wait)


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [("nowhere.invalid", 0, "--web-address: 'nowhere.invalid' is not a known"), ("192.0.2.1", 0, "--web-address")],
)
def test_where_it_cannot_be_served(address, port, text) -> None:
    with pytest.raises(HachimachiError, match=text):
        bind(address, port, ("127.0.0.1", 8000))


def test_a_port_in_use_is_told() -> None:
    sock, options = bind("127.0.0.1", 0, ("0.0.0.0", 8000))
    with sock:
        assert options == PageOptions(("127.0.0.1", 8000), (f"127.0.0.1:{sock.getsockname()[1]}", *options.hosts[1:]))
        with pytest.raises(HachimachiError, match=r"the page cannot be on port .* choose another with --web-port"):
            bind("127.0.0.1", sock.getsockname()[1], ("127.0.0.1", 8000))
