r"""The laws a path must keep, measured: for users, for tests and for `liouville check`.

Each function measures one law and returns a `Report` that prints as one line. Tolerances stand
in one place, `TOLERANCES`, with their reasons; they hold for standardised units (coordinates and
times of order one). Programs are compiled once for each structure of path, of which path and times
are arguments, not constants.
"""

from liouville.checks._draws import particles as particles
from liouville.checks._draws import sampler as sampler
from liouville.checks._equations import continuity as continuity
from liouville.checks._equations import fokker_planck as fokker_planck
from liouville.checks._gradients import gradients as gradients
from liouville.checks._mass import growth as growth
from liouville.checks._mass import mass as mass
from liouville.checks._path import check_path as check_path
from liouville.checks._report import TOLERANCES as TOLERANCES
from liouville.checks._report import Report as Report
from liouville.checks._transport import transport as transport
