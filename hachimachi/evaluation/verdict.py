"""In words: how a model plays, how good it is in all, and what would help."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hachimachi.evaluation.descriptors import Descriptor
    from hachimachi.evaluation.playing import PlayReport

GRADES = ("no better than guessing", "fair", "good", "very good")
SURE = 2.0
"""Standard errors by which a model has to predict better than the marginal baseline; below that it is guessing."""
GAINS = 0.5, 1.5  # nats per event below the marginal baseline from which a model predicts well, and very well
MANY = 3  # faults of playing that make a model fair at best; one makes it good at best
TONAL = 0.5  # correlation of the piece's own windows below which it has no key that could be said to be kept
CHORDS = 1.05  # notes at once above which there are any chords to speak of
SEEN = 0.8
"""Share of copied n-grams above which real data must be of the training data, and is no measure of copying."""
FEW = 5000  # events to learn from below which more of them are likely to help


@dataclass(frozen=True)
class Verdict:
    """How good a model is, and what would help."""

    grade: str
    advice: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Say it in one or two plain lines."""
        return [f"Verdict: {self.grade}", *([f"What would help: {'; '.join(self.advice)}"] if self.advice else [])]


def judge(
    gain: float,
    stderr: float,
    report: PlayReport | None,
    *,
    events: int,
    varied: Collection[str] = (),
    improving: bool = False,
) -> Verdict:
    """Return the verdict on a model, from how it predicts and how it plays.

    It is *no better than guessing* where its gain is not two standard errors above zero; *very good* from 1.5 nats on,
    *good* from 0.5, else *fair*. One fault of playing makes it good at best; three, a collapse in half of the
    generations, or too little held out to know the error make it fair at best.

    Args:
        gain: Held-out nats per event below the marginal baseline.
        stderr: Its standard error, NaN where it is not known.
        events: Events that it learned from, 0 where that is not known.
        improving: Whether training was ended while the model was still getting better.
    """
    found = find_faults(report) if report else []
    if not gain > (0 if math.isnan(stderr) else SURE * stderr):
        level = 0
    else:
        level = 1 + sum(gain >= nats for nats in GAINS)
        collapsing = report is not None and 2 * report.collapsed >= len(report.generated)
        most = 3 - (len(found) > 0)
        level = min(level, 1 if collapsing or len(found) >= MANY or math.isnan(stderr) else most)
    advice = ["longer training, such as trainer.max_minutes=5"] if improving else []
    if 0 < events < FEW and (level == 0 or "copying" in found or ("collapse" in found and not improving)):
        advice.append(f"more data: it has learned from {events:,} events")
    if report and found and level:
        advice += _advise_playing(report, found, varied)
    return Verdict(GRADES[level], tuple(advice))


def find_faults(report: PlayReport) -> list[str]:
    """Return the names of what is wrong with how a model plays as learned, none where all is well."""
    beyond = [each.name for each in next(iter(report.by_temperature().values())) if each.beyond]
    faults = [name for name in beyond if not name.startswith("range ")]
    over = {figure.group for figure in report.figures() if figure.group != "likeness" and not figure.held}
    return faults + ["range"] * (len(faults) < len(beyond)) + sorted(over)


def _advise_playing(report: PlayReport, found: Collection[str], varied: Collection[str]) -> list[str]:
    """Return the temperature at which nothing is wrong, if there is one, and for a lost key not to transpose."""
    advice = []
    others = list(report.by_temperature().items())[1:] if set(found) - {"copying"} else []
    for temperature, descriptors in others:
        reports = [each for condition, each in report.conditions.items() if condition.temperature == temperature]
        if not any(each.collapsed for each in reports) and not any(each.beyond for each in descriptors):
            advice.append(f"--temperature {temperature:g}")
            break
    return advice + ["augment.transpose=0"] * ("key" in found and "pitch" in varied)


def describe_playing(report: PlayReport) -> str:
    """Say how a model plays as learned, in the words of a musician."""
    nouns = ("the piece", "the pieces") if report.notes else ("the data", "the data")
    pronouns = ("it", "them") if report.notes else ("it", "it")
    descriptors = next(iter(report.by_temperature().values()))
    phrases = [_describe(each, report) for each in descriptors]
    ranges = [each for each in descriptors if each.name.startswith("range ") and not math.isnan(each.gap)]
    if ranges and not any(each.beyond for each in ranges):
        phrases.insert(1, "reaches as far")
    if report.copying:
        noun, unheard = ("note", "music") if report.notes else ("event", "data")
        longest, real = report.copying.generated.longest, report.copying.real
        verb = "repeats at most" if longest <= report.copying.longest_limit else "copies up to"
        beside = "" if real.share > SEEN else f" ({unheard} it has not heard: {real.longest})"
        phrases.append(f"{verb} {longest} {noun}{'s' * (longest != 1)} of {{it}} in a row{beside}")
    text = "; ".join(filter(None, phrases))
    text = text.replace("{it}", nouns[report.several], 1).replace("{it}", pronouns[report.several])
    return text[:1].upper() + text[1:]


def _describe(descriptor: Descriptor, report: PlayReport) -> str:
    """Say what is, or is not, as it should be; nothing where that would say nothing, or is not known."""
    name, made, real = descriptor.name, descriptor.generated, descriptor.real
    dense = "dense as {it}" if report.notes else "many events a second as {it}"
    if descriptor.beyond:
        faults = {
            "key": "changes key more than {it}" if report.several else "leaves the key of {it}",
            "density": f"{descriptor.gap + 1:.2g} times as {dense}",
            "silence": f"silent for {made:.0%} of the time ({real:.0%} in {{it}})",
            "polyphony": f"{made:.1f} notes at once ({real:.1f} in {{it}})",
            "jumps": f"jumps further than {{it}} ever does in {made:.1%} of its steps",
        }
        return faults.get(name) or f"{name.removeprefix('range ')} reaches {made:.2g} times as far as in {{it}}"
    merits = {
        "key": ("stays in a key as {it} do" if report.several else "stays in the key of {it}") * (real >= TONAL),
        "density": f"as {dense}",
        "polyphony": "as many notes at once" * (real > CHORDS),
        "jumps": "never jumps further" * (not made),
    }
    return "" if math.isnan(descriptor.gap) else merits.get(name, "")
