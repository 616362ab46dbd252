import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from liouville import curves, paths
from liouville.data import Standardisation
from liouville.errors import LiouvilleError
from liouville.model import Model, load
from liouville.paths import AbstractPath
from liouville.runs import storage
from makers import INTERVAL, cast
from registry import FUNCTIONS, PLACES, build, entries


def model_of(path: AbstractPath) -> Model:
    dim = path.dim
    return Model(
        path=path,
        units=Standardisation(np.linspace(-1.0, 1.0, dim), np.linspace(0.5, 2.0, dim), 3.0, 0.7),
        times=3.0 + 0.7 * np.array(INTERVAL),
        features=tuple(f"feature {i}" for i in range(dim)),
        time_name="day",
        time_unit="days",
        sigma=0.3,
        notes={"note": [1, 2.5, None, "β"]},
    )


def described(*costs: str) -> list[Any]:
    """Entries that a file can describe.

    It holds no functions of one's own, and of what knows of events the process, from which what
    follows a history is made anew.
    """
    left_out = (*FUNCTIONS, *PLACES)
    return [e for e in entries(*costs) if not any(name in e.values[0] for name in left_out)]


@pytest.mark.parametrize("name", described("low", "middle"))
def test_round_trip(name, tmp_path):
    """The same tree with the same bits, so the same answers."""
    model = model_of(build(name))
    model.save(tmp_path / "model.lv")
    again = load(tmp_path)
    assert jax.tree.structure(again.path) == jax.tree.structure(model.path)
    for a, b in zip(jax.tree.leaves(again.path), jax.tree.leaves(model.path)):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert again.units.to_dict() == model.units.to_dict()
    assert np.array_equal(again.times, model.times)
    for field in ("features", "time_name", "time_unit", "sigma", "notes", "interval", "dim"):
        assert getattr(again, field) == getattr(model, field)


@pytest.mark.parametrize("name", described("low"))
def test_a_loaded_model_gives_identical_answers(name, tmp_path):
    model = model_of(build(name))
    model.save(tmp_path / "m.lv")
    again = load(tmp_path / "m.lv")
    x = np.random.default_rng(0).normal(size=(5, model.dim))
    t = np.linspace(*model.interval, 5)
    assert np.array_equal(model.velocity(t, x), again.velocity(t, x))
    assert np.array_equal(model.log_density(t, x), again.log_density(t, x))


def test_single_precision_stays(tmp_path):
    model = model_of(cast(build("product"), jnp.float32))
    model.save(tmp_path / "m.lv")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(load(tmp_path / "m.lv").path)} == {
        "float32"
    }


# Files that were tampered with. Each must give one clear line.


@pytest.fixture
def file(tmp_path) -> Path:
    model_of(build("gaussian-diagonal-linear")).save(tmp_path / "model.lv")
    return tmp_path / "model.lv"


def refused(file: Path, *patterns: str, **options) -> None:
    with pytest.raises(LiouvilleError) as caught:
        load(file, **options)
    text = str(caught.value)
    assert "\n" not in text, text
    for pattern in patterns:
        assert pattern in text, text


def rewritten(file: Path, change, *, seal: bool = True) -> None:
    """Changes the manifest and the members in place, with a new seal if wanted."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        comment = archive.comment
    manifest = json.loads(members["manifest.json"])
    change(manifest, members)
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = comment
    if seal:
        content = file.read_bytes()[: -len(comment)]
        file.write_bytes(content + hashlib.sha256(content).hexdigest().encode())


def test_every_flipped_bit_is_refused(file):
    right = file.read_bytes()
    for place in np.random.default_rng(0).choice(len(right), 300, replace=False):
        wrong = bytearray(right)
        wrong[place] ^= 1 << int(place % 8)
        file.write_bytes(wrong)
        refused(file)


def test_equal_models_make_equal_files(file, tmp_path):
    load(file).save(tmp_path / "again.lv")
    assert (tmp_path / "again.lv").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(file, share):
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    refused(file, "damaged")


def test_another_file_is_refused(file):
    file.write_text("time,x\n0,1\n")
    refused(file, "damaged or not a liouville file")


def test_an_edited_manifest_is_refused(file):
    rewritten(file, lambda manifest, _: manifest["content"].update(sigma=9.0), seal=False)
    refused(file, "the file was altered")


def test_an_array_that_is_not_the_sealed_one_is_refused(file):
    def change(manifest, members):
        name = next(iter(manifest["arrays"].values()))["member"]
        members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])

    rewritten(file, change)
    refused(file, "was altered")


def test_a_missing_array_is_refused(file):
    rewritten(file, lambda manifest, members: members.pop("arrays/00000.npy"))
    refused(file, "damaged")


def test_a_format_of_the_future_is_refused(file):
    rewritten(file, lambda manifest, _: manifest.update(format=storage.FORMAT + 1))
    refused(file, f"has format {storage.FORMAT + 1}", "upgrade")


def test_a_format_of_the_past_is_refused(file):
    rewritten(file, lambda manifest, _: manifest.update(format=storage.FORMAT - 1))
    refused(file, "made by an earlier version of liouville; fit again")


def test_another_kind_is_refused(file):
    rewritten(file, lambda manifest, _: manifest.update(kind="checkpoint"))
    refused(file, "holds a checkpoint, not a model")


def test_an_unknown_class_is_refused(file):
    def change(manifest, _):
        manifest["content"]["path"]["class"] = "os.system"

    rewritten(file, change)
    refused(file, "os.system", "classes=")


def test_a_class_with_other_fields_is_refused(file):
    def change(manifest, _):
        manifest["content"]["path"]["fields"]["colour"] = 1

    rewritten(file, change)
    refused(file, "colour", "another version")


def test_a_content_without_units_is_refused(file):
    rewritten(file, lambda manifest, _: manifest["content"].pop("units"))
    refused(file, "not a model of this version")


def test_a_missing_file_and_a_folder_without_a_model(tmp_path):
    refused(tmp_path / "none.lv", "there is no file", "fit a model first")
    refused(tmp_path, "there is no file", "model.lv")


def test_nothing_is_unpickled(file, tmp_path):
    """An array of objects would run code when read; it must be refused before that."""
    trace = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (trace,)

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)

    def change(manifest, members):
        entry = next(iter(manifest["arrays"].values()))
        members[entry["member"]] = buffer.getvalue()
        entry.update(sha256=hashlib.sha256(buffer.getvalue()).hexdigest(), dtype="|O", shape=[1])

    rewritten(file, change)
    refused(file)
    assert not trace.exists()


def test_writing_to_an_impossible_place_is_refused(file):
    model = load(file)
    with pytest.raises(LiouvilleError, match="no directory"):
        model.save(file.parent / "missing" / "m.lv")
    with pytest.raises(LiouvilleError, match="no ordinary file"):
        model.save(file.parent)
    assert [p.name for p in file.parent.iterdir()] == ["model.lv"]


# Classes of a user, and what has no description.


class Halved(AbstractPath):
    """A path of a user's own."""

    path: AbstractPath
    share: Array

    @property
    def dim(self) -> int:
        return self.path.dim

    def at(self, t):
        return self.path.at(self.share * t)


def test_own_classes_are_read_when_they_are_given(tmp_path):
    model = model_of(Halved(build("product"), jnp.asarray(0.5)))
    model.save(tmp_path / "m.lv")
    refused(tmp_path / "m.lv", "test_storage.Halved")
    assert bool(eqx.tree_equal(load(tmp_path / "m.lv", classes=[Halved]).path, model.path))


def test_a_public_class_is_read_without_further_ado(tmp_path, monkeypatch):
    """What stands in a public namespace may be named by a file; nothing else is told of it."""
    monkeypatch.setattr(curves, "Halved", Halved, raising=False)
    model = model_of(Halved(build("product"), jnp.asarray(0.5)))
    model.save(tmp_path / "m.lv")
    assert bool(eqx.tree_equal(load(tmp_path / "m.lv").path, model.path))


def test_what_is_abstract_private_or_no_dataclass_is_not_in_the_table():
    names = {name.rsplit(".", 1)[-1] for name in storage.class_table(curves, paths, eqx.nn.Linear)}
    assert {"Knots", "Mixture", "Linear"} <= names
    assert not {name for name in names if name.startswith(("Abstract", "_"))}


def test_what_has_no_plain_description_is_refused():
    with pytest.raises(TypeError, match="hold it by name"):
        storage.describe({"f": lambda x: x})


def test_descriptions_round_trip():
    tree = {"a": [1, 2.5, None], "b": (True, "x", jnp.arange(3)), "c": {"d": np.ones((0, 2))}}
    description, arrays = storage.describe(tree)
    again = storage.rebuild(json.loads(json.dumps(description)), arrays, {})
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    assert again["a"] == tree["a"]
    assert again["b"][:2] == (True, "x")
    assert again["c"]["d"].shape == (0, 2)
