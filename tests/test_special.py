"""The tails of the normal law against SciPy's scaled complementary error function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from liouville.numerics.special import log_mills, log_ndtr
from tolerances import CENTRAL_DIFFERENCE

# Relative. Left of zero some ten roundings. Right of it `erfc` in single precision adds its own
# twenty; where it is small the logarithm of one minus it inherits them.
LEFT = {"float64": 1e-12, "float32": 1e-6}
RIGHT = {"float64": 1e-12, "float32": 3e-6}
# In the tail, to third order: each order multiplies and adds some three numbers of one sign more.
DERIVATIVES = {"float64": 1e-12, "float32": 3e-6}
DTYPES = ("float32", "float64")


def grid(dtype: str):
    """Points to the left, to a hundred million, and dense where the formulas meet."""
    z = np.concatenate([-np.logspace(8.0, -3.0, 200), np.linspace(-6.0, 5.0, 400)])
    z = jnp.asarray(z, dtype)
    return z, np.asarray(z, float)


def mills(z: np.ndarray) -> np.ndarray:
    return np.sqrt(np.pi / 2.0) * scipy.special.erfcx(-z / np.sqrt(2.0))


def worst(found, wanted: np.ndarray, where: np.ndarray) -> float:
    error = np.abs(np.asarray(found, float) - wanted)[where]
    return float(np.max(np.nan_to_num(error, nan=np.inf) / np.abs(wanted[where])))


def assert_close(found, wanted: np.ndarray, z: np.ndarray, dtype: str) -> None:
    assert worst(found, wanted, z <= 0.0) < LEFT[dtype]
    assert worst(found, wanted, z > 0.0) < RIGHT[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_ndtr(dtype):
    z, exact = grid(dtype)
    assert log_ndtr(z).dtype == dtype
    assert_close(log_ndtr(z), scipy.special.log_ndtr(exact), exact, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivative_of_log_ndtr(dtype):
    z, exact = grid(dtype)
    assert_close(jax.jit(jax.vmap(jax.grad(log_ndtr)))(z), 1.0 / mills(exact), exact, dtype)


def test_the_derivative_of_jax_is_wrong_in_single_precision():
    z, exact = grid("float32")
    with np.errstate(all="ignore"):
        found = jax.jit(jax.vmap(jax.grad(jax.scipy.special.log_ndtr)))(z)
    assert worst(found, 1.0 / mills(exact), exact <= 0.0) > 0.1


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_mills(dtype):
    z, exact = grid(dtype)
    # A ratio of one has the logarithm zero: absolute errors there, relative ones elsewhere.
    wanted = np.log(mills(exact))
    error = np.abs(np.asarray(log_mills(z), float) - wanted) / (1.0 + np.abs(wanted))
    assert error.max() < RIGHT[dtype]


def rests(z: np.ndarray) -> list[np.ndarray]:
    """The first three levels of the continued fraction in the tail, from very many of them."""
    a, rest, found = -z.astype(np.longdouble), np.zeros_like(z, np.longdouble), []
    for level in range(1000, 0, -1):
        rest = level / (a + rest)
        found = [rest, *found[:2]]
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivatives_of_log_mills_in_the_left_tail(dtype):
    z, exact = grid(dtype)
    tail = exact < -5.0
    first, second, third = rests(exact[tail])
    # The first is z + phi/Phi, and the others follow from R' = R (R - R_next) with a = -z.
    wanted = [
        first,
        first * (second - first),
        first * ((second - first) ** 2 + second * (third - second) - first * (second - first)),
    ]
    function = log_mills
    for derivative in wanted:
        function = jax.grad(function)
        found = np.asarray(jax.jit(jax.vmap(function))(z), float)[tail]
        normal = np.abs(np.asarray(derivative, float)) > 1e-30
        assert worst(found, np.asarray(derivative, float), normal) < DERIVATIVES[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivatives_of_log_mills_elsewhere(dtype):
    z, exact = grid(dtype)
    ratio = 1.0 / mills(exact)
    first = exact + ratio
    for function, wanted in (
        (jax.grad(log_mills), first),
        (jax.grad(jax.grad(log_mills)), 1.0 - ratio * first),
    ):
        # Between the tail and zero they are differences of numbers up to five and up to one.
        error = np.abs(np.asarray(jax.jit(jax.vmap(function))(z), float) - wanted) / (
            1.0 + np.abs(exact)
        )
        assert error[exact >= -5.0].max() < RIGHT[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
@pytest.mark.parametrize("function", [log_ndtr, log_mills])
def test_derivatives_are_those_of_the_values(function, mode):
    z = jnp.asarray([-30.0, -7.0, -5.01, -4.99, -1.0, 0.3, 6.0])
    step = 1e-4
    for _ in range(3):
        derivative = mode(function)
        slope, many = jax.jit(jax.vmap(derivative)), jax.jit(jax.vmap(function))
        differences = (many(z + step) - many(z - step)) / (2.0 * step)
        assert np.allclose(slope(z), differences, rtol=CENTRAL_DIFFERENCE, atol=CENTRAL_DIFFERENCE)
        function = derivative


@pytest.mark.parametrize("dtype", DTYPES)
def test_difference_of_logarithms_loses_what_log_mills_keeps(dtype):
    z = jnp.asarray(-1e6, dtype)
    plain = log_ndtr(z) + 0.5 * z * z + 0.5 * np.log(2.0 * np.pi)
    assert abs(float(log_mills(z)) + np.log(1e6)) < 1e-5
    assert abs(float(plain) + np.log(1e6)) > 1e-5


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("function", [log_ndtr, log_mills])
def test_derivatives_are_finite_wherever_squares_are(function, dtype):
    # Mills' ratio of the other tail is infinite: its logarithm is of the size of z^2/2.
    z = jnp.asarray([-1e18, -1e10, -4.0, 0.0, 40.0, 1e10, 1e18], dtype)
    for _ in range(4):
        values = jax.jit(jax.vmap(function))(z)
        assert np.isfinite(values).all()
        function = jax.grad(function)
