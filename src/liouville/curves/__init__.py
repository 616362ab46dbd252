r"""Curves: $t \mapsto$ parameters. All that is learned sits here and in `liouville.gauges`.

A curve maps a time of shape `()` to an array of fixed shape. A path asks it for the value and the
time derivative together, once a time (`value_and_rate`), so a curve may be as rich as it likes
without the points paying for it.

* `Constant`: does not move.
* `Knots`: values at unequal times, joined linearly or by cubic Hermite pieces.
* `Network`: a network of time features around a learned offset.
* `HardEnded`: passes exactly through given values at given times, free in between.
* `Clamped`: a spline with given values and slopes at both ends.
* `Tied`: between two values that are learned and keep a constraint, free in between.
* `HardStarted`: starts exactly at a given value, free afterwards.
* `Kinked`, `Jumping`: smooth but for kinks, or jumps, at given times.
"""

from liouville.curves._base import AbstractCurve as AbstractCurve
from liouville.curves._base import shape_of as shape_of
from liouville.curves._base import value_and_rate as value_and_rate
from liouville.curves._clamped import Clamped as Clamped
from liouville.curves._constant import Constant as Constant
from liouville.curves._hard_ended import HardEnded as HardEnded
from liouville.curves._hard_ended import gate_value as gate_value
from liouville.curves._hard_started import HardStarted as HardStarted
from liouville.curves._hard_started import Opening as Opening
from liouville.curves._hard_started import opening as opening
from liouville.curves._kinked import Jumping as Jumping
from liouville.curves._kinked import Kinked as Kinked
from liouville.curves._knots import Knots as Knots
from liouville.curves._network import Network as Network
from liouville.curves._tied import Tied as Tied
