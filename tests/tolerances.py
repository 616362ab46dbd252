"""The tolerances of the tests with their reasons; those of the laws are in `liouville.checks`."""

# Sums of a few terms of order one to a hundred in double precision, in any order.
ROUNDING = 1e-11

# The absolute residual of the continuity equation 20 scale units out, where terms of 10^4 to 10^5
# cancel: five digits above the relative rounding of 1e-15.
TAIL_RESIDUAL = 1e-9
TAIL_TERMS = 1e5

# One-sided differences of four points are exact for cubics; what is left is the rounding of values
# of order one divided by the step of 1e-4, and for networks the step to the third power.
FINITE_DIFFERENCE = 1e-8

# Central differences with step 1e-4 in units where third derivatives are of order ten.
CENTRAL_DIFFERENCE = 1e-5

# Averages of random draws, in standard errors: of some tens of normal variables the largest is
# above five in one of 10^5 draws.
STANDARD_ERRORS = 5.0

# Measured orders of convergence at finite steps differ from the limit by terms of the next order.
ORDER = 0.25

# Euler-Maruyama with 200 steps: its bias in means and covariances of order one is of the order of
# the step, 1/200, times rates of order one.
EULER_MARUYAMA = 0.02

# Printed to eight digits.
PRINTED = 1e-6

# A trained energy, relative to the least one: what a few hundred steps of Adam with a decaying
# rate leave, and what seven knots of a curve cannot express.
TRAINED = 1e-3

# Independent programmes (linear programming, network simplex) on costs of order one.
OTHER_LIBRARY = 1e-9

# The derivatives of squared distances in single precision, relative to the largest: they lose as
# many digits as the distance of a part from the middle of all has above its scale, here 100. In
# the tails that is 20 scales, squared and halved, of a log-density to an absolute rounding.
NARROW = 1e-3

# Single precision: 24 bits, some ten operations on numbers up to a hundred.
SINGLE = 1e-4
