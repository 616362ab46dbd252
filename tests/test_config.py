import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from liouville.errors import LiouvilleError
from liouville.runs.config import (
    REQUIRED,
    apply_settings,
    describe,
    from_dict,
    load_yaml,
    merge,
    to_dict,
)


@dataclass(frozen=True)
class Inner:
    width: int = field(default=32, metadata={"doc": "Units per layer."})
    rate: float = 1e-3
    sizes: tuple[int, ...] = (64, 64)


@dataclass(frozen=True)
class Outer:
    steps: int = 100
    name: str = "run"
    fast: bool = False
    mode: Literal["standard", "global", "none"] = "standard"
    seed: int | None = None
    tag: str | None = None
    span: tuple[float, float] = (0.0, 1.0)
    label: float | str = "auto"
    level: Literal[1, 2] = 1
    model: Inner = field(default_factory=lambda: Inner(width=48))
    extra: Inner | None = None
    derived: int = field(default=7, init=False)


@dataclass(frozen=True)
class Needy:
    path: str
    inner: Inner = Inner()


@dataclass(frozen=True)
class Positive:
    steps: int = 1

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be positive, got {self.steps}")


@dataclass(frozen=True)
class Holder:
    part: Positive = Positive()


def test_defaults_and_nested_values() -> None:
    assert from_dict(Outer, {}) == Outer()
    cfg = from_dict(Outer, {"steps": 5, "model": {"rate": 1}, "span": [0, 2]})
    assert cfg == Outer(steps=5, model=Inner(width=48, rate=1.0), span=(0.0, 2.0))
    assert type(cfg.model.rate) is float
    assert type(cfg.span[0]) is float
    assert from_dict(Outer, {"model": Inner(width=1)}).model.width == 1
    assert from_dict(Outer, {"steps": 1e3}).steps == 1000
    assert from_dict(Outer, {"extra": {"width": 3}}).extra == Inner(width=3)


@pytest.mark.parametrize(
    ("data", "pattern"),
    [
        ({"stpes": 1}, r"unknown configuration key 'stpes'; did you mean 'steps'\? Valid keys: st"),
        ({"model": {"widht": 1}}, r"'model\.widht'; did you mean 'width'\? Valid keys: width, rat"),
        ({"zzz": 1}, r"unknown configuration key 'zzz'; Valid keys: steps"),
        ({"derived": 1}, r"unknown configuration key 'derived'"),
        ({"steps": True}, r"steps is True but must be a whole number"),
        ({"steps": 2.5}, r"steps is 2\.5 but must be a whole number"),
        ({"steps": "2"}, r"steps is '2' but must be a whole number"),
        ({"steps": None}, r"steps is None but must be a whole number"),
        ({"steps": float("inf")}, r"steps is inf but must be a whole number"),
        ({"model": {"rate": "fast"}}, r"model\.rate is 'fast' but must be a number"),
        ({"model": {"rate": False}}, r"model\.rate is False but must be a number"),
        ({"model": {"rate": float("nan")}}, r"model\.rate is nan but must be a number"),
        ({"model": {"rate": 10**400}}, r"model\.rate is 10+\.\.\. but must be a number"),
        ({"fast": 1}, r"fast is 1 but must be true or false"),
        ({"fast": "yes"}, r"fast is 'yes' but must be true or false"),
        ({"name": 3}, r"name is 3 but must be text"),
        ({"seed": "a"}, r"seed is 'a' but must be a whole number or null"),
        ({"mode": "std"}, r"mode is 'std' but must be one of standard, global, none"),
        ({"level": True}, r"level is True but must be one of 1, 2"),
        ({"span": [1]}, r"span is \[1\] but must be a list of 2: a number, a number"),
        ({"span": [0, "a"]}, r"span\[1\] is 'a' but must be a number"),
        ({"span": 3}, r"span is 3 but must be a list of 2"),
        ({"model": {"sizes": [64, 1.5]}}, r"model\.sizes\[1\] is 1\.5 but must be a whole number"),
        ({"model": {"sizes": 64}}, r"model\.sizes is 64 but must be a list of a whole number"),
        ({"model": 3}, r"model is 3 but must be a mapping of width, rate, sizes"),
        ({"extra": 3}, r"extra is 3 but must be a mapping of width, rate, sizes or null"),
    ],
)
def test_wrong_values_are_refused(data: dict[str, Any], pattern: str) -> None:
    with pytest.raises(LiouvilleError, match=pattern) as info:
        from_dict(Outer, data)
    assert "\n" not in str(info.value)


def test_missing_field_and_refusals_of_the_dataclass() -> None:
    with pytest.raises(LiouvilleError, match=r"key 'path' is missing .* give text"):
        from_dict(Needy, {})
    with pytest.raises(LiouvilleError, match=r"in part: steps must be positive, got -1"):
        from_dict(Holder, {"part": {"steps": -1}})


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("steps=5", Outer(steps=5)),
        ("steps=1e4", Outer(steps=10_000)),
        ("model.rate=1e-3", Outer(model=Inner(width=48, rate=1e-3))),
        ("model.sizes=[1, 2]", Outer(model=Inner(48, sizes=(1, 2)))),
        ("model.sizes=1,2", Outer(model=Inner(48, sizes=(1, 2)))),
        ("model.sizes=8", Outer(model=Inner(48, sizes=(8,)))),
        ("model.sizes=[]", Outer(model=Inner(48, sizes=()))),
        ("model={rate: 2}", Outer(model=Inner(48, rate=2.0))),
        ("span=-1, 1", Outer(span=(-1.0, 1.0))),
        ("name=007", Outer(name="007")),
        ("name=off", Outer(name="off")),
        ("name=", Outer(name="")),
        ("name=a=b", Outer(name="a=b")),
        ("tag=null", Outer(tag=None)),
        ("tag=2020-01-01", Outer(tag="2020-01-01")),
        ("seed=010", Outer(seed=10)),
        ("seed=None", Outer(seed=None)),
        ("mode=none", Outer(mode="none")),
        ("fast=true", Outer(fast=True)),
        ("level=2", Outer(level=2)),
        ("label=1e-2", Outer(label=0.01)),
        ("label=auto", Outer(label="auto")),
        ("extra.width=3", Outer(extra=Inner(width=3))),
    ],
)
def test_settings(setting: str, expected: Outer) -> None:
    assert apply_settings(Outer(), [setting]) == expected


def test_settings_keep_the_other_fields_and_the_last_wins() -> None:
    cfg = Outer(steps=3, model=Inner(rate=0.5))
    changed = apply_settings(cfg, ["model.width=1", "model.width=2", "model={sizes: [4]}"])
    assert changed == dataclasses.replace(cfg, model=Inner(2, 0.5, (4,)))


@pytest.mark.parametrize(
    ("setting", "pattern"),
    [
        ("steps", r"cannot use the setting 'steps'; write it as key=value"),
        ("=3", r"cannot use the setting '=3'"),
        ("model.widht=3", r"unknown configuration key 'model\.widht'; did you mean 'width'"),
        ("model.width.x=3", r"'model\.width' has no keys of its own, it is a whole number"),
        ("steps=[1", r"cannot read setting steps line 1 as YAML"),
        ("steps=a", r"steps is 'a' but must be a whole number"),
        ("fast=on", r"fast is 'on' but must be true or false"),
        ("model.sizes=1,a", r"model\.sizes is '1,a' but must be a list of a whole number"),
        ("model={widht: 1}", r"unknown configuration key 'model\.widht'"),
    ],
)
def test_wrong_settings(setting: str, pattern: str) -> None:
    with pytest.raises(LiouvilleError, match=pattern) as info:
        apply_settings(Outer(), [setting])
    assert "\n" not in str(info.value)


def test_merge_priority() -> None:
    file = {"steps": 1, "name": "file", "model": {"width": 1, "rate": 0.1}}
    flags = {"steps": 2, "model.width": 2, "seed": None, "model.sizes": (9,)}
    cfg = merge(Outer, file=file, flags=flags, settings=["steps=3"])
    assert cfg == Outer(steps=3, name="file", model=Inner(2, 0.1, (9,)))
    assert file["model"] == {"width": 1, "rate": 0.1}, "the file's values are not changed"
    assert merge(Outer) == Outer()
    assert merge(Needy, flags={"path": "a"}) == Needy("a")
    # A flag that is None was not given; a value that is None is one.
    assert merge(Outer, file={"seed": 1}, flags={"seed": None}).seed == 1
    assert merge(Outer, file={"seed": 1}, values={"seed": None, "model.width": 3}) == Outer(
        model=Inner(3)
    )


@pytest.mark.parametrize(
    ("file", "flags", "pattern"),
    [
        ({"model": 3}, {"model.width": 1}, r"cannot set 'model\.width': model is 3"),
        (None, {"model.w": 1}, r"unknown configuration key 'model\.w'"),
        (None, {"steps": 1.5}, r"steps is 1\.5"),
    ],
)
def test_wrong_merges(file: Any, flags: dict[str, Any], pattern: str) -> None:
    with pytest.raises(LiouvilleError, match=pattern):
        merge(Outer, file=file, flags=flags)
    with pytest.raises(LiouvilleError, match=pattern):
        merge(Outer, file=file, values=flags)


def test_load_yaml(tmp_path: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# comment\nsteps: 1e3\nmode: none\nname: off\nmodel:\n  rate: 1e-4\n")
    expected = Outer(steps=1000, mode="none", name="off", model=Inner(48, 1e-4))
    assert merge(Outer, file=load_yaml(path)) == expected
    path.write_text("")
    assert load_yaml(path) == {}


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (None, r"no configuration file .*a\.yaml"),
        (b"- 1\n- 2\n", r"holds a list, not 'key: value' lines"),
        (b"a: 1\na: 2\n", r"line 2 as YAML: the key 'a' is repeated"),
        (b"a: [1\nb: 2\n", r"line 2 as YAML"),
        (b"a: \xff\n", r"not text in UTF-8"),
        (b"a: !!python/object:os.system 1\n", r"could not determine a constructor"),
        (b"a: \x00\n", r"cannot read .* as YAML"),
    ],
)
def test_wrong_yaml(tmp_path: Any, content: bytes | None, pattern: str) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LiouvilleError, match=pattern) as info:
        load_yaml(path)
    assert "\n" not in str(info.value)


def test_yaml_that_is_a_directory(tmp_path: Any) -> None:
    with pytest.raises(LiouvilleError, match="cannot read the configuration"):
        load_yaml(tmp_path)


def test_describe() -> None:
    entries = {entry.key: entry for entry in describe(Outer)}
    assert entries["model.width"][:4] == ("model.width", "a whole number", 48, "Units per layer.")
    assert entries["extra"].default is None
    assert entries["extra.width"].default == 32
    assert entries["mode"].type == "one of standard, global, none"
    assert entries["span"].type == "a list of 2: a number, a number"
    assert "model" not in entries
    assert "derived" not in entries
    assert describe(Needy)[0].default is REQUIRED
    assert repr(REQUIRED) == "required"


_inners = st.builds(
    Inner,
    width=st.integers(),
    rate=st.floats(allow_nan=False),
    sizes=st.lists(st.integers(), max_size=3).map(tuple),
)
_outers = st.builds(
    Outer,
    steps=st.integers(),
    name=st.text(),
    fast=st.booleans(),
    mode=st.sampled_from(["standard", "global", "none"]),
    seed=st.none() | st.integers(),
    tag=st.none() | st.text(),
    span=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
    label=st.text() | st.floats(allow_nan=False),
    model=_inners,
    extra=st.none() | _inners,
)


@given(cfg=_outers)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_round_trip_through_plain_values_and_json(cfg: Outer) -> None:
    assert from_dict(Outer, to_dict(cfg)) == cfg
    assert from_dict(Outer, json.loads(json.dumps(to_dict(cfg)))) == cfg


@given(cfg=_inners)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_settings_reach_any_configuration(cfg: Inner) -> None:
    texts = [f"{key}={json.dumps(value)}" for key, value in to_dict(cfg).items() if key != "rate"]
    texts.append("rate=" + yaml.safe_dump(cfg.rate).splitlines()[0])
    assert apply_settings(Inner(), texts) == cfg


@given(cfg=_outers)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_merging_a_whole_configuration_gives_it_back(cfg: Outer) -> None:
    assert merge(Outer, file=to_dict(cfg)) == cfg
