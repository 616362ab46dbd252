"""A density as an estimator of scikit-learn, for its pipelines, searches and scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from liouville.data import Samples
from liouville.errors import LiouvilleError
from liouville.tasks.density.fit import fit_density

# Without scikit-learn the module can be imported, and who makes an estimator is told.
try:
    from sklearn.base import BaseEstimator, DensityMixin

    _is_installed = True
except ImportError:
    BaseEstimator, DensityMixin = (type(name, (), {}) for name in ("BaseEstimator", "DensityMixin"))
    _is_installed = False

_MOST_SEED = 2**31 - 1


class DensityEstimator(DensityMixin, BaseEstimator):  # pyright: ignore[reportGeneralTypeIssues]
    r"""The density of samples, with the interface of scikit-learn's mixtures and kernels.

    It is `fit_density` in these terms: `fit(X)`, `score_samples(X)`, `score(X)`, `sample(n)`. Rows
    are samples, columns coordinates; densities are in nats per unit of the columns. A column that
    others determine has no density of its own: it is left out of the density, with a warning, and
    comes back in `sample`. No row is kept for a report, and a tenth for validation, as by default.
    It needs scikit-learn: `pip install scikit-learn`.

    Args:
        model: the family: `auto`, `mixture`, `warped`, `autoregressive` or `pushforward`.
        steps: of training; by default as many as suit the samples.
        settings: further settings by dotted key, as `liouville settings density` lists them.
        random_state: the seed, or a generator that gives one.

    Attributes:
        model_: the fitted `Model`, a path from the normal law at time 0 to the samples at time 1.
        summary_: the key figures of the fit.
        columns_: the numbers of the columns that the density is of.
        n_features_in_: the number of all columns.

    Raises:
        LiouvilleError: if scikit-learn is not installed.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        steps: int | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        if not _is_installed:
            raise LiouvilleError(
                "DensityEstimator needs scikit-learn, which is not installed: pip install "
                "scikit-learn; fit_density does without"
            )
        self.model = model
        self.steps = steps
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "DensityEstimator":
        """Fits the density to the rows of `X`, shape `(n, dim)`; `y` is not used.

        Args:
            X: the samples: an array, a nested list or a data frame of numbers.
            y: nothing; pipelines give it.

        Raises:
            ValueError: if these are no numbers, or too few, or the settings are wrong; a
                `LiouvilleError` is one.
        """
        X = _numbers(self, X, ensure_min_samples=2)
        chosen = {
            "path.model": self.model,
            "training.steps": self.steps,
            "training.seed": _seed(self.random_state),
            "data.test": 0.0,
            "data.min_samples": 2,
            **(self.settings or {}),
        }
        samples = Samples(X)
        fitted = fit_density(samples, chosen, progress=False)
        self.model_, self.summary_ = fitted.model, fitted.summary
        self.columns_ = [samples.features.index(name) for name in fitted.model.features]
        # Of the columns that are kept, every other one is an affine function.
        self._affine = np.linalg.lstsq(_with_one(X[:, self.columns_]), X, rcond=None)[0]
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """The log-density at each row of `X`, in nats, shape `(n,)`."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return self.model_.log_density(1.0, _numbers(self, X, reset=False)[:, self.columns_])

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log-density of the rows of `X`, in nats; `y` is not used."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, *, random_state: Any = 0) -> np.ndarray:
        """Independent draws, shape `(n_samples, dim)`."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        drawn = self.model_.sample(1.0, n_samples, seed=_seed(random_state))
        every = _with_one(drawn) @ self._affine
        every[:, self.columns_] = drawn
        return every


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def _numbers(estimator: DensityEstimator, X: Any, **options: Any) -> np.ndarray:
    """The rows as scikit-learn checks them, in double precision."""
    from sklearn.utils.validation import validate_data

    return np.asarray(validate_data(estimator, X, dtype=np.float64, **options))


def _seed(state: Any) -> int:
    from sklearn.utils import check_random_state

    if isinstance(state, int | np.integer):
        return int(state)
    return int(check_random_state(state).randint(_MOST_SEED))
