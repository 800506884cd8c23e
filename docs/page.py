"""Draw pictures/page.png, the page of `hxmx run --web`: ``python docs/page.py [MODEL]``, after `make demo browser`.

A player begins the prelude, the model joins in, and Chromium takes the picture.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from hachimachi.live.osc import encode
from hachimachi.prelude import play_prelude

SIZE = {"width": 1180, "height": 700}
SECONDS = 7.0  # that the player plays
NOTES_AFTER = 5.0  # seconds of the model alone
MODEL = "outputs/demo/model.pt"


def main() -> None:
    """Play, look, and write the picture."""
    words = sys.argv[1:] or [MODEL]
    command = [sys.executable, "-m", "hachimachi.cli", "run", *words, "--web", "--web-port", "0", "--in-port", "0"]
    options = ["--mode", "duet", "--log", "none", "--seed", "3", "--temperature", "0.8", "--scale", "pitch=C major"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as playing:
        try:
            printed = ""
            while "end  " not in printed:
                assert playing.stdout is not None
                printed += playing.stdout.readline()
            port, link = (re.search(rule, printed) for rule in (r"hears +\S+:(\d+)", r"page +(\S+)"))
            assert port and link
            take_picture(link[1], int(port[1]), Path(__file__).parent / "pictures" / "page.png")
        finally:
            playing.terminate()


def take_picture(link: str, port: int, path: Path) -> None:
    """Open the page, play to the port, and write what it shows."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with import_module("playwright.sync_api").sync_playwright() as driver, tempfile.TemporaryDirectory() as home:
        browser = driver.chromium.launch_persistent_context(
            home, executable_path=chromium, args=arguments, viewport=SIZE, color_scheme="dark", headless=True
        )
        page = browser.new_page()
        page.goto(link)
        page.locator("#state").filter(has_text="Listening").wait_for()
        page.locator("h1").click()
        page.get_by_label("Seconds shown").select_option("12")
        page.locator("#sound > summary").click()
        page.locator("#features > summary").click()
        _play(port)
        page.wait_for_timeout(NOTES_AFTER * 1000)
        page.screenshot(path=path)
        browser.close()


def _play(port: int) -> None:
    piece, began = play_prelude(times=1), time.monotonic()
    assert piece.time is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as player:
        ends: list[tuple[float, float]] = []
        for at, (pitch, velocity, duration) in zip(piece.time.tolist(), piece.data[:, :3].tolist(), strict=True):
            while ends and ends[0][0] <= at:
                player.sendto(encode("/input", ends.pop(0)[1], 0), ("127.0.0.1", port))
            if at > SECONDS:
                break
            time.sleep(max(0.0, began + at - time.monotonic()))
            player.sendto(encode("/input", pitch, velocity), ("127.0.0.1", port))
            ends = sorted([*ends, (at + duration, pitch)])
        for _, pitch in ends:
            player.sendto(encode("/input", pitch, 0), ("127.0.0.1", port))


if __name__ == "__main__":
    main()
