"""What can be said of the patches without their programs: they are well formed, whole and tidy."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.clients.processes import EXAMPLES

PD_OBJECTS = """
    + % * / *~ +~ change clone cnv bng dac~ env~ f hradio hsl inlet key line~ list loadbang makenote metro moses mtof
    netreceive netsend notein osc~ oscformat oscparse outlet outlet~ pack poly pow r route s select spigot stripnote t
    text tgl unpack vline~ vradio
"""
MAX_OBJECTS = """
    + * change gate loadmess makenote metro notein noteout pack prepend r random route s sel stripnote t udpreceive
    udpsend unpack
"""
MAX_INTERFACE = {"button", "comment", "flonum", "kslider", "message", "newobj", "panel", "slider", "toggle", "umenu"}


class Box(NamedTuple):
    """What lies on a canvas, in pixels."""

    text: str
    x: float
    y: float
    width: float
    height: float

    def covers(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def overlaps(boxes: list[Box]) -> list[tuple[str, str]]:
    return [(a.text, b.text) for a, b in itertools.combinations(boxes, 2) if a.covers(b)]


class Canvas:
    """One canvas of a patch for Pd: its boxes in their order, and (source, outlet, destination, inlet)."""

    def __init__(self) -> None:
        self.records: list[list[str]] = []
        self.connections: list[tuple[int, ...]] = []

    @property
    def boxes(self) -> list[Box]:
        """Return what has a frame, as wide as Pd 0.53 would draw it in its font of 12 points."""
        found = []
        for kind, x, y, *words in self.records:
            if kind in ("obj", "msg", "restore") and words[0] not in ("cnv", "bng", "tgl", "hsl", "hradio", "vradio"):
                text = re.sub(r" ?\\([,;$])", r"\1", " ".join(words)).split(", f ")[0]
                lines = text.count(";") + 1
                found.append(Box(text, int(x), int(y), 7 * max(map(len, text.split(";"))) + 5, 16 * lines + 5))
        return found


def read_pd(path: Path) -> list[Canvas]:
    """Return the canvases of a patch: https://puredata.info/docs/developer/PdFileFormat."""
    done, opened = [], []
    for record in re.split(r"(?<!\\);\n", path.read_text()):
        chunk, kind, *words = record.split() or ["#A", ""]
        if (chunk, kind) == ("#N", "canvas"):
            opened.append(Canvas())
        elif chunk == "#X" and kind == "connect":
            opened[-1].connections.append(tuple(map(int, words)))
        elif chunk == "#X":
            if kind == "restore":
                done.append(opened.pop())
            opened[-1].records.append([kind, *words])
    return done + opened


@pytest.mark.parametrize("name", ["instrument.pd", "voice.pd"])
def test_pd_joins_and_knows_its_objects(name: str) -> None:
    canvases = read_pd(EXAMPLES / name)
    assert len(canvases) == {"instrument.pd": 7, "voice.pd": 1}[name]
    for canvas in canvases:
        assert canvas.connections
        for source, _, destination, _ in canvas.connections:
            assert canvas.records[source][0] != "text" and canvas.records[destination][0] != "text"
        assert {record[3] for record in canvas.records if record[0] == "obj"} <= set(PD_OBJECTS.split())


@pytest.mark.parametrize("name", ["instrument.pd", "voice.pd"])
def test_nothing_lies_over_another_in_pd(name: str) -> None:
    for canvas in read_pd(EXAMPLES / name):
        assert not overlaps(canvas.boxes)


@pytest.fixture(scope="module")
def max_patch() -> dict[str, Any]:
    return json.loads((EXAMPLES / "instrument.maxpat").read_text())["patcher"]


@pytest.fixture(scope="module")
def max_boxes(max_patch: dict[str, Any]) -> dict[str, dict[str, Any]]:
    boxes = [each["box"] for each in max_patch["boxes"]]
    assert len({box["id"] for box in boxes}) == len(boxes)
    return {box["id"]: box for box in boxes}


def test_max_joins_what_exists(max_patch: dict[str, Any], max_boxes: dict[str, dict[str, Any]]) -> None:
    lines = [each["patchline"] for each in max_patch["lines"]]
    joined = set()
    for line in lines:
        (source, outlet), (destination, inlet) = line["source"], line["destination"]
        assert 0 <= outlet < max_boxes[source]["numoutlets"]
        assert 0 <= inlet < max_boxes[destination]["numinlets"]
        joined |= {source, destination}
    alone = [box["text"] for key, box in max_boxes.items() if key not in joined and box["maxclass"] == "newobj"]
    assert not alone
    assert max_patch["fileversion"] == 1 and max_patch["appversion"]["major"] == 8


def test_max_knows_its_objects(max_boxes: dict[str, dict[str, Any]]) -> None:
    assert {box["maxclass"] for box in max_boxes.values()} <= MAX_INTERFACE
    objects = [box for box in max_boxes.values() if box["maxclass"] == "newobj"]
    assert {box["text"].split()[0] for box in objects} <= set(MAX_OBJECTS.split())
    for box in max_boxes.values():
        assert len(box.get("outlettype", [])) == box["numoutlets"]


def test_max_sends_and_receives_by_the_same_names(max_boxes: dict[str, dict[str, Any]]) -> None:
    words = [box["text"].split() for box in max_boxes.values() if box["maxclass"] == "newobj"]
    assert {name for kind, name in (w for w in words if w[0] == "s")} == {w[1] for w in words if w[0] == "r"}


def test_nothing_lies_over_another_in_max(max_boxes: dict[str, dict[str, Any]]) -> None:
    boxes = [
        Box(box.get("text", key), *box["patching_rect"]) for key, box in max_boxes.items() if box["maxclass"] != "panel"
    ]
    assert len(boxes) > 50
    assert not overlaps(boxes)
