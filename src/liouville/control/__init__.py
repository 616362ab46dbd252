"""Stochastic optimal control and mean-field control, without simulation in training."""

from liouville.control._config import ControlConfig as ControlConfig
from liouville.control._fit import ControlFit as ControlFit
from liouville.control._fit import fit_control as fit_control
from liouville.control._matching import FokkerPlanck as FokkerPlanck
from liouville.control._matching import solve_fokker_planck as solve_fokker_planck
from liouville.control._policy import Policy as Policy
from liouville.control._problem import ControlProblem as ControlProblem
from liouville.control._rollout import Rollout as Rollout
from liouville.control._rollout import roll_out as roll_out
from liouville.control._run import load_policy as load_policy
from liouville.control._smoothing import Observations as Observations
from liouville.control._smoothing import Smoothed as Smoothed
from liouville.control._smoothing import gaussian_observations as gaussian_observations
from liouville.control._smoothing import smooth as smooth
from liouville.mixtures import GaussianMixture as GaussianMixture
from liouville.mixtures import gaussian as gaussian
