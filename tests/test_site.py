"""The site is built without a warning, asks nothing of the network, and answers what people ask within two clicks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site is built with the extra docs")
pytest.importorskip("myst_parser", reason="the site is built with the extra docs")

ROOT = Path(__file__).parents[1]
QUESTIONS = {  # and what must stand on the page that the answer is on
    "How do I train on several files?": "hxmx train midi/ model.pt",
    "Why does it say “no better than the marginal”?": "A model that is not below it has learned nothing",
    "Which port?": "hears on port 8000 and plays to port 9000",
    "What is masked?": "predicted, but not known when an event happens",
    "How do I keep it in D minor while it plays?": "/constrain pitch scale D minor",
    "What does 7.2 nats mean?": "one in 1,339",
    "How do I add a backbone?": '@register("backbone", "echo")',
    "Is it safe to open a stranger’s model?": "tensors, numbers and texts, never code",
    "How fast is it, and compared with what?": "a plain UDP echo",
}
FETCHED = {"script": "src", "img": "src", "audio": "src", "source": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """What a page links to, fetches and says."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.ids = path, list[tuple[str, str]](), set[str]()
        self.fetched, self.tags, self.said = list[str](), defaultdict(int), ""
        self._href = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(self.said.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.ids |= {given.get("id", "")}
        if tag == "a":
            self._href = given.get("href", "")
            self.links.append((self._href, ""))
        if FETCHED.get(tag) in given:
            self.fetched.append(given[FETCHED[tag]])

    def handle_data(self, data: str) -> None:
        self.said += data
        if self._href:
            href, text = self.links[-1]
            self.links[-1] = href, text + data

    def handle_endtag(self, tag: str) -> None:
        self._href = "" if tag == "a" else self._href

    def target(self, link: str) -> tuple[Path, str]:
        """Return the file that a link leads to, and the place in it."""
        where, _, place = link.partition("#")
        where = where.partition("?")[0]
        return ((self.path.parent / where).resolve() if where else self.path), place


def test_it_is_built_whole_and_answers(tmp_path: Path) -> None:
    html = (tmp_path / "html").resolve()
    words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", tmp_path / "trees", ROOT / "docs", html]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    pages = {path: Page(path) for path in html.rglob("*.html")}
    for page in pages.values():
        away = [source for source in page.fetched if source.startswith(("http", "//"))]
        assert not away, f"{page.path.name} fetches {away}"
        inside = [link for link, _ in page.links if not link.startswith(("http", "mailto"))]
        for link in (*inside, *page.fetched):
            path, place = page.target(link)
            assert path.exists(), f"{page.path.name}: {link}"
            assert not place or path not in pages or place in pages[path].ids, f"{page.path.name}: {link}"
    first = pages[html / "index.html"]
    answers = {text: link for link, text in first.links}
    for question, said in QUESTIONS.items():
        path, _ = first.target(answers[question])
        assert said in pages[path].text, question
    reached = {first.target(link)[0] for link, _ in first.links}
    assert {path for path in pages if path.parent != html} <= reached  # each page is one click away
    assert pages[html / "why" / "events.html"].tags["svg"] > 10  # formulas
    assert (html / "searchindex.js").stat().st_size > 50_000
    assert (html / "_static" / "copybutton.js").is_file()
    assert len(list((html / "takes").glob("*.wav"))) == 3
