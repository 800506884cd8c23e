"""Make the base models that come with the package, from folders of music beside the checkout.

    make base-models                     all of them: an hour and a half on two idle cores
    make base-models ARGS="drums"        one of them
    make base-models ARGS="piano --data FOLDER"

Each is `hxmx train … experiment=base_NAME` on outputs/bases/NAME.arrow, and goes on from its last checkpoint where it
was stopped. Then its weights are written in half precision into hachimachi/bases, without the n-grams of its training
data, and with its card: sources, licences, attributions, what was left out, and what it scores as it is shipped.

Left out is what the project's figures are taken on: the test parts, the performances that are learned from alone, and
other performances of the works in a test or valid part.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.tasks import BESIDE
from hachimachi import bases, evaluate, io, load_model, save_model
from hachimachi.events import EventSequence
from hachimachi.io.split import read_split, select

FOLDER = Path(__file__).resolve().parents[1] / "outputs" / "bases"
PARTS = ("train", "valid")


@dataclass(frozen=True)
class Source:
    """A corpus: its folder, licence and attribution, and the names in it that are left out besides its test part."""

    folder: str
    licence: str
    attribution: str
    left_out: tuple[str, ...] = ()

    def read(self, data: Path) -> dict[str, list[EventSequence]]:
        """Return its sequences by part."""
        sequences, split = io.read(data / self.folder / "midi"), read_split(data / self.folder / "split.json")
        chosen = {part: select(sequences, split, part) for part in PARTS}
        return {part: [each for each in found if each.name not in self.left_out] for part, found in chosen.items()}


PIANO_MIDI_DE = Source(
    "piano_midi_de",
    "CC-BY-SA-3.0-DE",
    "Piano pieces sequenced by Bernd Krueger, http://www.piano-midi.de, CC BY-SA 3.0 DE",
    ("Liszt__liz_rhap09.mid",),
)
GIANT_MIDI = Source(
    "giantmidi_part",
    "CC-BY-4.0",
    "Performances from GiantMIDI-Piano (Kong, Li, Chen & Wang 2020), https://github.com/bytedance/GiantMIDI-Piano, "
    "CC BY 4.0",
    ("Debussy_Suite_bergamasque_xAKeiyjjTKk_cut_no_3.mid",),
)
GROOVE = Source(
    "groove_dev",
    "CC-BY-4.0",
    "Drumming from the Groove MIDI Dataset (Gillick, Roberts, Engel, Eck & Bamman 2019), Google LLC, "
    "https://magenta.tensorflow.org/datasets/groove, CC BY 4.0",
    ("drummer8__session1__27_latin_122_beat_4-4.mid",),
)
FREEDOOM = Source(
    "freedoom_small",
    "BSD-3-Clause",
    "Game music of Freedoom, Copyright (c) 2001-2024 Contributors to the Freedoom project, "
    "https://github.com/freedoom/freedoom, BSD-3-Clause",
    ("d_dm10.mid",),
)
SOURCES = {"piano": (PIANO_MIDI_DE, GIANT_MIDI), "drums": (GROOVE,), "ensemble": (FREEDOOM,)}
"""What each base model learns from."""


def gather(name: str, data: Path, folder: Path) -> tuple[Path, Path]:
    """Write the sequences of a base model into one data set, with its split, and return both files.

    An instrument is left out but for ensembles: where everything is played on a piano it tells nothing.
    """
    path, split = folder / f"{name}.arrow", folder / f"{name}_split.json"
    parts: dict[str, list[EventSequence]] = {part: [] for part in PARTS}
    for source in SOURCES[name]:
        for part, sequences in source.read(data).items():
            parts[part] += sequences if name == "ensemble" else [_drop_instrument(each) for each in sequences]
    folder.mkdir(parents=True, exist_ok=True)
    io.write(path, [sequence for part in PARTS for sequence in parts[part]])
    names = {part: [sequence.name for sequence in parts[part]] for part in PARTS}
    split.write_text(json.dumps(names) + "\n", encoding="utf-8")
    return path, split


def _drop_instrument(sequence: EventSequence) -> EventSequence:
    kept = [i for i, feature in enumerate(sequence.features) if feature.name != "instrument"]
    return replace(sequence, features=tuple(sequence.features[i] for i in kept), data=sequence.data[:, kept])


def make_card(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a base model wherever it is used."""
    return {
        "name": name,
        "licence": " AND ".join(dict.fromkeys(source.licence for source in SOURCES[name])),
        "attributions": [source.attribution for source in SOURCES[name]],
        "left_out": [f"{source.folder}: its test part, {', '.join(source.left_out)}" for source in SOURCES[name]],
        "steps": summary["steps"],
    }


def ship(name: str, trained: Path, data: Path, split: Path) -> None:
    """Write a trained model into the package as a base model, and score the file that was written."""
    model, path = load_model(trained), Path(bases.__file__).parent / f"{name}.pt"
    model.grams.clear()
    for key in ("playing", "verdict"):  # of music that nobody asked for
        model.summary.pop(key, None)
    model.summary["data"]["name"] = " and ".join(source.folder for source in SOURCES[name])
    model.summary["base"] = make_card(name, model.summary)
    save_model(model, path, half=True)
    shipped = load_model(path)
    result = evaluate(shipped, select(io.read(data), read_split(split), "valid"))
    shipped.summary["base"]["held_out"] = round(result.nats_per_event, 3)
    save_model(shipped, path, half=True)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {result.nats_per_event:.2f} nats per event held out, ", end="")
    print(f"marginal {result.marginal_nats_per_event:.2f}")


def main(words: Sequence[str] | None = None) -> int:
    """Make the base models that the words name."""
    parser = argparse.ArgumentParser(prog="base-models", description="Make the base models that come with the package.")
    parser.add_argument("names", nargs="*", choices=[[], *bases.NAMES], metavar="NAME", help=", ".join(bases.NAMES))
    parser.add_argument("--data", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--trained", type=Path, help="a model that was trained already, of the one NAME")
    parser.add_argument("--override", action="append", default=[], help="key=value of the config; may be repeated")
    chosen = parser.parse_args(words)
    names = chosen.names or list(bases.NAMES)
    if chosen.trained and len(names) > 1:
        parser.error("--trained: expected one NAME with it")
    if absent := [s.folder for name in names for s in SOURCES[name] if not (chosen.data / s.folder).is_dir()]:
        print(f"base-models: {chosen.data / absent[0]}: not there; expected the corpora beside the checkout")
        return 1
    for name in names:
        data, split = gather(name, chosen.data, FOLDER)
        run, model = FOLDER / name, chosen.trained or FOLDER / f"{name}.pt"
        if not chosen.trained:
            last = run / "checkpoints" / "last.ckpt"
            command = [sys.executable, "-m", "hachimachi.cli", "train", str(data), str(model)]
            command += [f"experiment=base_{name}", f"dataset.split={split}", f"hydra.run.dir={run}", *chosen.override]
            command += [f"ckpt_path={last}"] if last.is_file() else []
            print(shlex.join(["hxmx", *command[3:]]), flush=True)
            if status := subprocess.run(command, check=False).returncode:
                return status
        ship(name, model, data, split)
    return 0


if __name__ == "__main__":
    sys.exit(main())
