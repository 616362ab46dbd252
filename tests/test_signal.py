"""What of a table is more than noise."""

import numpy as np
import pytest

from liouville.numerics.signal import signal


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def low_rank(rows: int, columns: int, sizes: list[float]) -> np.ndarray:
    left, right = (np.linalg.qr(noise(n, len(sizes), n))[0] for n in (rows, columns))
    return (left * sizes) @ right.T


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (10, 200), (300, 50)])
def test_noise_has_none(rows, columns):
    kept = [np.abs(signal(noise(rows, columns, seed), rows, columns)).max() for seed in range(20)]
    # The largest singular value of noise passes the bound now and then, and is then small.
    assert np.median(kept) == 0.0
    assert max(kept) < 1.0


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (10, 200), (300, 50)])
@pytest.mark.parametrize("size", [1.2, 2.0, 10.0])
def test_a_direction_is_seen_with_the_least_error(rows, columns, size):
    bound = np.sqrt(rows) + np.sqrt(columns)
    truth = low_rank(rows, columns, [size * bound])
    table = truth + noise(rows, columns)
    own = np.square(signal(table, rows, columns) - truth).sum()
    assert own < np.square(table - truth).sum()
    # Negative control: of the same singular vectors a tenth more or less is worse.
    for factor in (0.9, 1.1):
        assert np.square(factor * signal(table, rows, columns) - truth).sum() > own


def test_units_of_rows_and_columns_turn_with_the_table():
    table = low_rank(8, 12, [20.0, 9.0]) + noise(8, 12)
    left, right = (np.linalg.qr(noise(n, n, 5))[0] for n in (8, 12))
    turned = signal(left @ table @ right, 8, 12)
    np.testing.assert_allclose(turned, left @ signal(table, 8, 12) @ right, atol=1e-12)


def test_what_is_far_above_noise_stays():
    table = low_rank(5, 7, [1e6, 1e5])
    np.testing.assert_allclose(signal(table, 5, 7), table, rtol=0.0, atol=1e-3)
