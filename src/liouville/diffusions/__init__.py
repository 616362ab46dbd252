"""Diffusions without control: bridges, plans, moments, Fokker-Planck by matching, smoothing."""

from liouville.diffusions._free import best_of as best_of
from liouville.diffusions._free import free_paths as free_paths
from liouville.diffusions._matching import FokkerPlanck as FokkerPlanck
from liouville.diffusions._matching import solve_fokker_planck as solve_fokker_planck
from liouville.diffusions._plans import entropic_plan as entropic_plan
from liouville.diffusions._process import check_horizon as check_horizon
from liouville.diffusions._process import check_noise as check_noise
from liouville.diffusions._smoothing import Observations as Observations
from liouville.diffusions._smoothing import Smoothed as Smoothed
from liouville.diffusions._smoothing import gaussian_observations as gaussian_observations
from liouville.diffusions._smoothing import smooth as smooth
