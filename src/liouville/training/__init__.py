"""Fitting a path to an objective: one compiled loop, resumable to the bit."""

from liouville.training._checkpoint import restore_state as restore_state
from liouville.training._checkpoint import save_state as save_state
from liouville.training._fit import Fit as Fit
from liouville.training._fit import Reason as Reason
from liouville.training._fit import default_optimizer as default_optimizer
from liouville.training._fit import fit as fit
from liouville.training._log import read_metrics as read_metrics
from liouville.training._state import Stepper as Stepper
from liouville.training._state import initial_state as initial_state
