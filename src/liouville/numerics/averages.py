r"""The standard error of an average of members that were each fitted to a sample of their own."""

import jax.numpy as jnp
from jaxtyping import Array, Float
from scipy.special import ndtr, stdtrit


def error_of_average(values: Array, shares: Float[Array, " members"]) -> Array:
    r"""The standard error of $\bar f = \sum_m s_m f_m$ of members of a bootstrap, shape `shape`.

    $$\mathrm{se}^2 = q_{M-1}^2\,\Bigl(1 + \sum_m s_m^2\Bigr)\,
      \frac{\sum_m s_m (f_m - \bar f)^2}{1 - \sum_m s_m^2}.$$

    The fraction is the variance of one member, without bias. As each member saw cells drawn anew
    from the same sample, it estimates the variance that the sample gives the average, which does
    not fall with the number of members: so it is not divided by it. What does fall with it, the
    part of the draws themselves, is the second term of the bracket. $q_\nu$ is the 84 % quantile of
    Student's law, 1.08 for 8 members and 1 for many: few members know their own spread badly, and
    with it the interval of one error to both sides has 68 % of the chance. What all members have in
    common, such as a bias of the model, is not in it.

    Args:
        values: what each of $M \ge 2$ members says, shape `(M, *shape)`.
        shares: $s$, by which it is weighed, of sum one.
    """
    members = len(values)
    if members < 2:
        raise ValueError(f"{members} member has no spread; give two or more")
    shares = shares.reshape(-1, *[1] * (values.ndim - 1))
    squares = jnp.sum(shares**2)
    mean = jnp.sum(shares * values, axis=0)
    spread = jnp.sum(shares * (values - mean) ** 2, axis=0)
    # Where one member has all the say, the others are no measure of it.
    variance = spread / jnp.maximum(1.0 - squares, 1e-6)
    factor = stdtrit(members - 1, ndtr(1.0))
    return float(factor) * jnp.sqrt((1.0 + squares) * variance)
