"""Composing, the schema, files among words, and what errors say."""

from pathlib import Path

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hachimachi.training.config.compose import FROM, ConfigError, check, check_words, compose
from hachimachi.training.config.groups import find_conf, list_defaults, list_keys, list_options
from hachimachi.training.config.overrides import as_overrides, quote
from hachimachi.training.config.schema import list_schema_keys

OPTIONS = [(group, option) for group, names in list_options(find_conf()).items() for option in names]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes(group: str, option: str) -> None:
    cfg = compose([f"{group}={option}"])
    if group in ("model", "head"):
        assert cfg[group].name == option


def test_defaults() -> None:
    cfg = compose()
    assert (cfg.output, cfg.dataset.path, cfg.seed) == ("model.pt", "data.json", 0)
    assert cfg.trainer.max_epochs is None
    assert cfg.init == "auto"
    assert type(compose(["optimizer.lr=4e-3"]).optimizer.lr) is float  # in YAML itself 4e-3 would be text
    assert cfg.feature == {}


def test_overrides_reach_the_config() -> None:
    cfg = compose(["model=gru", "trainer.max_epochs=50", "optimizer.lr=1e-3", "feature.pitch.resolution=0.5"])
    assert (cfg.model.name, cfg.trainer.max_epochs, cfg.optimizer.lr) == ("gru", 50, 1e-3)
    assert cfg.feature.pitch.resolution == 0.5
    assert cfg.feature.pitch.kind is None


def test_attention_looks_back_on_what_a_window_holds_unless_told() -> None:
    assert compose(["model=transformer", "dataset.window=48"]).model.window == 48
    assert compose(["model=transformer", "dataset.window=48", "model.window=16"]).model.window == 16


def test_keys_of_conf_and_schema_agree() -> None:
    in_conf = {key.name for key in list_keys()} - {"feature"}
    in_schema = {key for key in list_schema_keys() if not key.startswith("feature.")}
    assert in_conf == in_schema
    assert all(key.comment for key in list_keys() if not key.name.endswith((".name", ".weight_decay")))
    assert [group.name for group in list_defaults()][:3] == ["dataset", "model", "head"]


def test_composes_twice_and_inside_another_hydra() -> None:
    with hydra.initialize_config_dir(str(find_conf()), version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        assert compose(["model=gru"]).model.name == compose(["model=gru"]).model.name == "gru"
        assert GlobalHydra.instance().hydra is outer
        assert hydra.compose("train").model.name == compose().model.name


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("trainer.max_epoch=3", ["trainer.max_epoch", "no such key", "did you mean trainer.max_epochs"]),
        ("max_epochs=3", ["did you mean trainer.max_epochs"]),
        ("modle=gru", ["modle", "did you mean model"]),
        ("zzz=1", ["zzz", "dataset", "model", "output"]),
        ("model.zzz=1", ["model.zzz", "model has name, size, layers, dropout, window"]),
        ("+model.zzz=1", ["model.zzz", "no such key"]),
        ("model=gruu", ["gruu", ", ".join(list_options(find_conf())["model"]), "did you mean model=gru"]),
        ("model=null", ["model", "gru, lstm"]),
        ("~model", ["model.name", "missing"]),
        ("model.name=rnn", ["model.name", "'rnn'", "gru, lstm"]),
        ("trainer.max_epochs=abc", ["trainer.max_epochs", "'abc'", "whole number from 1", "null"]),
        ("trainer.max_epochs=0", ["trainer.max_epochs", "found 0", "whole number from 1"]),
        ("trainer.max_steps=0", ["found 0", "-1 for no limit"]),
        ("trainer.deterministic=maybe", ["'maybe'", "true or false"]),
        ("trainer.devices=[]", ["trainer.devices", "list of device numbers"]),
        ("trainer.devices=true", ["found true", "list of device numbers"]),
        ("trainer.precision=8", ["'8'", "32-true", "bf16-mixed"]),
        ("model.size=1.5", ["model.size", "1.5", "whole number"]),
        ("model.size=big", ["model.size", "'big'", "auto, xs, s, m, l or a whole number from 1"]),
        ("model.size=null", ["model.size", "null", "auto, xs, s, m, l"]),
        ("model.size=${nowhere}", ["model.size", "${nowhere}", "whole number"]),
        ("model.dropout=1", ["model.dropout", "below 1"]),
        ("dataset.valid_fraction=0.6", ["dataset.valid_fraction", "0.6", "from 0 to 0.5"]),
        ("optimizer.lr=nan", ["optimizer.lr", "nan", "above 0"]),
        ("optimizer.lr=inf", ["optimizer.lr", "inf"]),
        ("seed=null", ["seed", "null", "whole number"]),
        ("seed=-1", ["seed", "-1"]),
        ("output=", ["output", "a file name"]),
        ("feature.pitch.kind=note", ["feature.pitch.kind", "'note'", "continuous, integer, categorical"]),
        ("feature.pitch.resolution=0", ["feature.pitch.resolution", "above 0"]),
        ("feature.pitch.reslution=1", ["did you mean feature.pitch.resolution"]),
        ("feature.pitch=3", ["feature.pitch", "kind, masked, min, max, resolution"]),
        ("model.size=[1", ["model.size=[1", "cannot be read", "key=value"]),
        ("model.size=1,2", ["model.size=1,2", "-m", "[a,b]"]),
        ("optimizer.schedule=cosin", ["optimizer.schedule", "'cosin'", "constant, cosine, onecycle"]),
        ("optimizer=cosin", ["cosin is not one of adamw, cosine, onecycle", "did you mean optimizer=cosine"]),
        ("experiment=paino", ["did you mean experiment=piano"]),
        ("debug=slow", ["anomaly, fast, overfit, profiler"]),
        ("logger.name=[csv,wandb]", ["logger.name", "tensorboard, csv, none, or a list"]),
        ("logger.name=[]", ["logger.name"]),
        ("trainer.profiler=deep", ["'deep'", "one of simple, advanced, a class {_target_: …}, or null"]),
        ("trainer.overfit_batches=-1", ["found -1", "whole number from 0"]),
        ("plugins=mine", ["plugins", "found 'mine'", "a list of modules"]),
        ("plugins=[not_there]", ["plug-in not_there", "no module 'not_there'"]),
        ("from=stored", ["from", "no such key"]),
        ("hydra/launcher=nothing", ["hydra/launcher/nothing", "basic"]),
    ],
)
def test_errors_are_one_line_that_says_what_is_allowed(
    word: str, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ConfigStore.instance().repo, FROM, raising=False)  # what began again in this process before
    with pytest.raises(ConfigError) as error:
        compose([word])
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "word",
    [
        *("trainer.devices=auto", "trainer.devices=[0,1]", "trainer.max_steps=-1", "~debug"),
        *("logger.name=[csv]", "logger.name=[csv,tensorboard]", "plugins=[]"),
    ],
)
def test_accepts(word: str) -> None:
    compose([word])


def test_check_refuses_a_section_that_is_missing() -> None:
    cfg = OmegaConf.create({"output": "model.pt"})
    with pytest.raises(ConfigError, match=r"dataset.path: missing, expected a file name"):
        check(cfg)


# any name a file system takes: no slash, no NUL, not empty; bytes that are not UTF-8 come as lone surrogates
NAMES = st.text(st.characters(exclude_characters="/\0", categories=["L", "N", "P", "S", "Z", "C"]), min_size=1)
ODD = st.text("ab='\"\\${},[]()~+-*?:#!%&|<>@ \n\té", min_size=1)


EXAMPLES = ['it\'s ${odd}, "too" = [1]\\', "\\${x}", "\\\\'${", "null", "1e3"]


@settings(max_examples=8, deadline=None)  # composing takes long; what Hydra reads is below
@given(NAMES, ODD)
@example(EXAMPLES[0], EXAMPLES[1])
@example(EXAMPLES[2], EXAMPLES[3])
@example(EXAMPLES[4], EXAMPLES[0])
def test_any_file_name_survives(name: str, other: str) -> None:
    cfg = compose([f"dataset.path={quote(name)}", f"output={quote(f'/tmp/{other}')}"])
    assert Path(cfg.dataset.path) == Path(name)
    assert cfg.output == f"/tmp/{other}"


@given(NAMES | ODD | st.sampled_from(EXAMPLES))
def test_any_file_name_is_read_as_quoted(name: str) -> None:
    # a sweep writes overrides anew before it hands them to its jobs
    override = OverridesParser.create().parse_override(f"output={quote(f'/tmp/{name}')}")
    again = f"{override.get_key_element()}={override.get_value_element_as_str()}"
    assert OverridesParser.create().parse_override(again).value() == override.value()


def test_leading_words_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.json").touch()
    assert as_overrides(["d.json", "m.pt", "seed=1"]) == ["dataset.path='d.json'", "output='m.pt'", "seed=1"]
    assert as_overrides(["d.json", "seed=1"]) == ["dataset.path='d.json'", "seed=1"]
    assert as_overrides(["a=b.json", "./c=d.pt"]) == ["dataset.path='a=b.json'", "output='./c=d.pt'"]
    assert as_overrides(["/x/a=b.json", "{a=1}.pt"]) == ["dataset.path='/x/a=b.json'", "output='{a=1}.pt'"]
    assert as_overrides(["~debug", "+x=1", "++y=2", f"seed={'1' * 999}"])[0] == "~debug"
    assert as_overrides([]) == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [(["a.json", "b.pt", "c.pt"], ["c.pt", "third file"]), (["seed=1", "a.json"], ["a.json", "after an override"])],
)
def test_files_in_wrong_places(words: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        as_overrides(words)
    assert all(part in str(error.value) for part in parts)


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("model=lstm,gruu", "gruu"),
        ("model=glob(x*)", "fits no option"),
        ("model.size=8,0", "found 0"),
        ("model.size=xs,xxs", "'xxs'"),
        ("seed=range(-2,3)", "found -2"),
        ("optimizer.lr=choice(0.1,fast)", "'fast'"),
        ("optimizer.lr=interval(0,1)", "above 0"),
        ("feature.pitch.resolution=1,-1", "-1"),
        ("output=a.pt,b.pt", "expected one"),
    ],
)
def test_every_choice_of_a_sweep_is_checked(word: str, part: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_words(["logger=none,csv", word], multirun=True)
    assert part in str(error.value)


def test_a_good_sweep_passes() -> None:
    words = [
        "model=glob(*)",
        "model.size=xs,s,96",
        "seed=range(0,200)",
        "optimizer.lr=interval(1e-4,1)",
        "~debug",
        "logger=none,csv",
    ]
    passed, cfg = check_words(words, multirun=True)
    assert passed == words
    assert cfg.model.name == "gru"


def test_own_folder_of_configs(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("name: gru\nsize: 3\nlayers: 1\ndropout: 0\n")
    _, cfg = check_words(["model=mine"], config_dir=tmp_path)
    assert cfg.model.size == 3
    (tmp_path / "tiny.yaml").write_text("defaults: [train, _self_]\nmodel: {size: 2}\n")
    _, cfg = check_words(["head.components=1"], config_name="tiny", config_dir=tmp_path)
    assert (cfg.model.size, cfg.head.components) == (2, 1)


def test_own_experiments_and_main_configs(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /model: lstm\nmodel: {size: 5}\n"
    (tmp_path / "experiment" / "evening.yaml").write_text(text)
    _, cfg = check_words(["experiment=evening", "seed=3"], config_dir=tmp_path)
    assert (cfg.model.name, cfg.model.size, cfg.seed) == ("lstm", 5, 3)
    with pytest.raises(ConfigError, match=r"did you mean experiment=evening\?"):
        check_words(["experiment=evning"], config_dir=tmp_path)
    _, cfg = check_words(["experiment=tiny"], config_dir=tmp_path)  # the package's stay
    assert cfg.model.size == "xs"
    (tmp_path / "experiment" / "wrong.yaml").write_text("# @package _global_\ntrainer: {max_epoch: 3}\n")
    with pytest.raises(ConfigError, match=r"trainer.max_epoch: no such key; did you mean trainer.max_epochs\?"):
        check_words(["experiment=wrong"], config_dir=tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["head=mixture", "head.order=[pitch]"], "head.order: head=mixture has no such key; it has name, components"),
        (["model.window=3"], "model.window: model=gru has no such key; it has name, size, layers, dropout"),
    ],
)
def test_a_key_of_another_option_is_told_from_one_that_is_nowhere(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(words)
    assert str(caught.value) == said
