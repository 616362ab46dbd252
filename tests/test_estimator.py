"""A density in scikit-learn's terms: its own checks, and the same answers as the model's."""

import importlib.util
import sys

import numpy as np
import pytest

import liouville as lv
from liouville.errors import LiouvilleError
from liouville.tasks.density import estimator
from liouville.tasks.density.estimator import DensityEstimator

X = np.random.default_rng(0).normal(size=(60, 2)) * [1.0, 5.0]
BRIEF = {"path.parts": 1, "training.steps": 1, "objective.particles": 1}


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    for name in ("sklearn", "sklearn.base"):
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.spec_from_file_location("without_scikit_learn", estimator.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    with pytest.raises(LiouvilleError, match="pip install scikit-learn"):
        module.DensityEstimator()
    assert lv.DensityEstimator is DensityEstimator


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # tables of a few rows and of constant columns are said
def test_it_keeps_to_all_rules_of_scikit_learn():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    checks.check_estimator(DensityEstimator("mixture", steps=2))


@pytest.mark.slow
def test_it_answers_as_the_model_does():
    pytest.importorskip("sklearn")
    copied = np.column_stack([X[:, 0], 2.0 - X[:, 0], X[:, 1]])
    with pytest.warns(UserWarning, match="others determine"):
        made = DensityEstimator("mixture", settings=BRIEF).fit(copied)
    assert made.columns_ == [0, 2]
    right = made.model_.log_density(1.0, copied[:, [0, 2]])
    assert np.array_equal(made.score_samples(copied), right)
    assert made.score(copied) == pytest.approx(right.mean())
    drawn = made.sample(50, random_state=1)
    assert np.allclose(drawn[:, 1], 2.0 - drawn[:, 0], atol=1e-9)
    # The negative control: other draws for another seed.
    assert not np.allclose(drawn, made.sample(50, random_state=2))


@pytest.mark.slow
def test_a_search_prefers_the_right_number_of_parts():
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(1)
    far = np.concatenate([X / [1.0, 5.0], rng.normal(size=(60, 2)) + 9.0])
    choices = {"settings": [{**BRIEF, "path.parts": k} for k in (1, 2)]}
    split = selection.KFold(2, shuffle=True, random_state=0)
    found = selection.GridSearchCV(DensityEstimator("mixture"), choices, cv=split).fit(far)
    assert found.best_params_["settings"]["path.parts"] == 2
