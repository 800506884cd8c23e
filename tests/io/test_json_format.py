from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report, json_format, read, write

PLAIN = {"features": {"0": {"name": "pitch"}}, "time": [0.0, 0.5], "data": [[60, 1], [64, 2]]}


def save(folder: Path, content: object) -> Path:
    path = folder / "data.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_plain_form(tmp_path: Path) -> None:
    (sequence,) = read(save(tmp_path, PLAIN))
    assert [feature.name for feature in sequence.features] == ["pitch", "1"]
    assert sequence.name == "data.json"
    assert sequence.seconds == 0.5


def test_masked_and_categorical_alone_describe_a_feature(tmp_path: Path) -> None:
    described = {"0": {"masked": True}, "1": {"categorical": True}}
    (sequence,) = read(save(tmp_path, {"features": described, "data": [[1, 2]]}))
    assert sequence.features == (Feature("0", masked=True), Feature("1", "categorical"))
    assert not sequence.temporal


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_any_unicode_text(tmp_path: Path, encoding: str) -> None:
    text = json.dumps({"features": {"0": {"name": "Höhe"}}, "data": [[1, 2.5]]}, ensure_ascii=False)
    (tmp_path / "data.json").write_bytes(text.encode(encoding))
    (sequence,) = read(tmp_path / "data.json")
    assert [feature.name for feature in sequence.features] == ["Höhe", "1"]
    assert sequence.data.tolist() == [[1, 2.5]]


def test_many_sequences_without_names_that_other_tools_wrote(tmp_path: Path) -> None:
    described = {"1": {"masked": True, "categorical": False}}
    parts = [{"time": [0, 0.5], "data": [[60, 1], [64, 2]]}, {"time": None, "data": [[1, 10**18]]}]
    (first,) = read(save(tmp_path, {"features": described, "sequences": parts[:1]}))
    assert first.features == (Feature("0"), Feature("1", masked=True))
    (second,) = read(save(tmp_path, {"features": described, "sequences": parts[1:]}))
    assert not second.temporal
    assert second.data.tolist() == [[1, 1e18]]


def test_one_event_a_line_and_undeclared_left_out(tmp_path: Path) -> None:
    features = (Feature("pitch", "integer", min=0), Feature("kind", "categorical", masked=True))
    write(tmp_path / "x.json", EventSequence(features, np.array([[60, 0.1], [61, 2]]), np.array([0, 1 / 3])))
    lines = (tmp_path / "x.json").read_text().splitlines()
    assert lines == [
        '{"features": {',
        '  "0": {"name": "pitch", "kind": "integer", "min": 0},',
        '  "1": {"name": "kind", "categorical": true, "masked": true}},',
        '"time": [0, 0.3333333333333333],',
        '"data": [',
        "[60, 0.1],",
        "[61, 2]]}",
    ]


def test_single_corpora_read_as_declared(shared_data: Path) -> None:
    for path in sorted((shared_data / "single").glob("*.json")):
        (sequence,) = read(path)
        raw = json.loads(path.read_text())
        assert sequence.data.tolist() == raw["data"]
        assert sequence.time is not None
        assert sequence.time.tolist() == raw["time"]


def many(*parts: object) -> dict[str, object]:
    return {"sequences": list(parts)}


GOOD = {"name": "a", "data": [[1]]}
WRONG = {
    "ragged": ({"data": [[1, 2], [3]]}, ["row 2", "found 1 values", "expected a row of 2"]),
    "row no list": ({"data": [[1, 2], 3]}, ["row 2", "found 3"]),
    "nan": ('{"data": [[1], [NaN]]}', ["row 2", "'0'", "nan", "finite"]),
    "infinity": ('{"data": [[1], [-Infinity]]}', ["row 2", "inf"]),
    "text": ({"data": [[1], ["60"]]}, ["row 2", "column 0", '"60"']),
    "true": ({"data": [[True]]}, ["row 1", "true"]),
    "huge": ('{"data": [[1' + "0" * 400 + "]]}", ["row 1", "finite"]),
    "unsorted": ({**PLAIN, "time": [1, 0.5]}, ["row 2", "time goes back", "0.5"]),
    "negative": ({**PLAIN, "time": [-1, 0.5]}, ["row 1", "-1", "from 0"]),
    "time text": ({**PLAIN, "time": [0, "x"]}, ["time", "row 2", '"x"']),
    "time short": ({**PLAIN, "time": [0]}, ["time", "1 values for 2 events"]),
    "time no list": ({**PLAIN, "time": 3}, ["time", "found 3", "list of seconds"]),
    "out of range": ({**PLAIN, "features": {"2": {}}}, ["features", "'2'", "from 0 to 1"]),
    "no number": ({**PLAIN, "features": {"pitch": {}}}, ["features", "'pitch'", "column numbers"]),
    "features list": ({**PLAIN, "features": []}, ["features", "object"]),
    "unknown key": ({**PLAIN, "features": {"0": {"maks": True}}}, ["features[0]", "'maks'", "masked"]),
    "contradiction": (
        {**PLAIN, "features": {"0": {"categorical": True, "kind": "integer"}}},
        ["features[0]", "contradiction"],
    ),
    "kind": ({**PLAIN, "features": {"0": {"kind": "real"}}}, ["features[0]", "'real'", "continuous"]),
    "bounds": ({**PLAIN, "features": {"0": {"min": 3, "max": 1}}}, ["features[0]", "min below max"]),
    "masked text": ({**PLAIN, "features": {"0": {"masked": "yes"}}}, ["features[0]", "masked", "true or false"]),
    "trailing comma": ('{"data": [[1, 2],\n [3, 4],]}', ["line 2", "a comma before ']'", "leave it out"]),
    "trailing comma in an object": ('{\n"data": [[1]],}', ["line 2", "a comma before '}'"]),
    "single quotes": ("{'data': [[1]]}", ["line 1", "double quotes"]),
    "cut off": ('{"data": [[1, 2], [3', ["the file ends in the middle"]),
    "twice": ('{"data": [[1]], "time": [0], "data": [[2]]}', ["'data'", "stands twice"]),
    "feature twice": ('{"features": {"0": {}, "0": {}}, "data": [[1]]}', ["'0'", "stands twice"]),
    "time true": ({**PLAIN, "time": [False, True]}, ["time", "row 1", "false"]),
    "time infinite": ('{"time": [0, Infinity], "data": [[1], [2]]}', ["row 2", "time is inf"]),
    "null": ({"data": [[1, 2], [3, None]]}, ["row 2", "column 1", "null"]),
    "bound": ('{"features": {"0": {"min": NaN}}, "data": [[1]]}', ["features[0]", "min", "finite"]),
    "no text": ("\0\1", ["byte 1 is 0x00", "text file"]),
    "no json": ("[1, 2\n", ["not JSON", "line 2", "column 1"]),
    "list": ([1, 2], ["[1, 2]", "object"]),
    "empty data": ({"data": []}, ["data", "at least one event"]),
    "no data": ({"time": []}, ["data", "no such key"]),
    "empty row": ({"data": [[]]}, ["no features"]),
    "top key": ({**PLAIN, "tiem": []}, ["'tiem'", "features, time, data"]),
    "deep": ("[" * 100_000, ["JSON"]),
    "no sequences": ({"sequences": []}, ["sequences", "at least one"]),
    "one ragged": (many(GOOD, {"data": [[1], [1, 2]]}), ["sequences[1]", "row 2"]),
    "other width": (many(GOOD, {"data": [[1, 2]]}), ["sequences[1]", "(1, 2)"]),
    "one unsorted": (many({"time": [1, 0], "data": [[1], [2]]}), ["sequences[0]", "row 2"]),
    "mixed time": (many(GOOD, {"time": [0], "data": [[1]]}), ["time"]),
    "name": (many({"name": 3, "data": [[1]]}), ["sequences[0]", "name", "text"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_refused_with_the_place(tmp_path: Path, case: str) -> None:
    content, words = WRONG[case]
    with pytest.raises(HachimachiError) as caught:
        read(save(tmp_path, content))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "data.json" in message
    assert "\n" not in message


def test_names_of_many_sequences_stand_in_the_file() -> None:
    features = (Feature("x"), Feature("y"))
    pieces = [
        EventSequence(features, np.arange(2.0 * n).reshape(-1, 2) / 3, np.arange(float(n)), f"ä {n}")
        for n in range(1, 30)
    ]
    assert json_format.parse(json_format.render(pieces), "", Report()) == pieces
