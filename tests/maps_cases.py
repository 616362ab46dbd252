"""Every map of the library, as functions of a random key."""

import jax.random as jr

from liouville.maps import (
    Affine,
    Chain,
    Coupling,
    Elementwise,
    Exp,
    Linear,
    Logit,
    Permutation,
    Sinh,
    Softplus,
    Spline,
    coupling_flow,
)
from liouville.maps._groups import group_of
from makers import INTERVAL, curve


def flow(dim, kind, **options):
    options = {"layers": 2, "width": 8, "depth": 1, "bins": 4, **options}
    return lambda key: coupling_flow(dim, INTERVAL, kind=kind, key=key, **options)


def _coupling(kept, moved, scalar, gate):
    return lambda key: Coupling(
        group_of(kept), group_of(moved), INTERVAL, scalar=scalar, width=8, gate=gate, key=key
    )


def _linear(dim):
    def make(key):
        keys = jr.split(key)
        return Linear(curve("cubic", (dim, dim), keys[0], 0.4), curve("network", (dim,), keys[1]))

    return make


def _bounded_flow(key):
    """The dependence of two coordinates first, then the bounds of each."""
    return Chain([flow(2, "affine")(key), Exp((0.0, None)), Logit((None, -1.0), (None, 2.0))])


BOUNDED = {
    "exp": lambda key: Exp((0.5, None, 0.0)),
    "softplus": lambda key: Softplus((0.0, -2.0)),
    "logit": lambda key: Logit((None, -1.0), (None, 2.0)),
    "bounded-flow": _bounded_flow,
}
MAPS = BOUNDED | {
    "elementwise-affine": lambda key: Elementwise(curve("cubic", (2, 3), key)),
    "elementwise-spline": lambda key: Elementwise(curve("network", (11, 2), key), Spline(4)),
    "coupling-affine": _coupling([range(1, 3)], [range(0, 1)], Affine(), None),
    "coupling-spline": _coupling([range(0, 1)], [range(1, 3)], Spline(3, 2.5), "fast"),
    "linear": _linear(3),
    "sinh": lambda key: Sinh((0.5, None, 2.0)),
    "permutation": lambda key: Permutation((2, 0, 1, 4, 3)),
    "flow-affine-5d": flow(5, "affine", layers=4),
    "flow-affine-2d": flow(2, "affine"),
    "flow-affine-1d": flow(1, "affine"),
    "flow-spline-1d": flow(1, "spline", hard_start=False),
    "flow-spline-2d-linear": flow(2, "spline", linear=True, gate="fast"),
}
