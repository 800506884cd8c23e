"""Draw docs/pictures/panel.svg, what `hxmx run` shows: ``python docs/panel.py``."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

from rich.console import Console, Group
from rich.terminal_theme import TerminalTheme

from hachimachi.live.screen.panel import STEP, PanelHistory, draw_lines
from hachimachi.live.screen.snapshot import MODEL, YOU, ModelState, ScreenEvent, Snapshot
from hachimachi.prelude import play_prelude

SECONDS, HANDS_OVER = 17.0, 12.2
WHERE = {"hears": ("127.0.0.1:8000",), "plays_to": ("127.0.0.1:57120",)}
COLOURS = [
    (40, 40, 44),
    (220, 100, 100),
    (110, 200, 120),
    (220, 190, 80),
    (90, 140, 230),
    (215, 110, 215),
    (60, 200, 210),
]
NIGHT = TerminalTheme((24, 24, 28), (220, 220, 220), [*COLOURS, (220, 220, 220)])
FEATURES = ("pitch", "velocity", "duration")


def main() -> None:
    """The player begins the prelude, and the model goes on with it."""
    piece = play_prelude(times=1)
    assert piece.time is not None
    history, counts, begun = PanelHistory(), {YOU: 0, MODEL: 0}, 0.0
    while begun < SECONDS:
        inside = (piece.time >= begun) & (piece.time < begun + STEP)
        events = []
        for at, row in zip(piece.time[inside].tolist(), piece.data[inside].tolist(), strict=True):
            who = YOU if at < HANDS_OVER else MODEL
            counts[who] += 1
            events.append(ScreenEvent(at, who, (row[0], math.nan if who == YOU else row[2])))
        begun += STEP
        state = ModelState(
            name="prelude.pt",
            features=FEATURES,
            mode="respond",
            steering=("temperature 0.9", "min-p 0.02", "constrain pitch scale C major"),
            heard=counts[YOU],
            played=counts[MODEL],
            pending=1,
            late=(0.02, 0.11, 0.34),
        )
        history.add(Snapshot(begun, models=(state,), events=tuple(events), **WHERE), begun)
    console = Console(width=80, height=24, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Group(*draw_lines(history, SECONDS, 80, 24)), end="")
    svg = console.export_svg(title="hxmx run prelude.pt", unique_id="panel", theme=NIGHT)
    # the font would be fetched from elsewhere, which a picture in a page may not do
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).replace(
        "Fira Code, monospace", "Menlo, Consolas, monospace"
    )
    (Path(__file__).parent / "pictures" / "panel.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
