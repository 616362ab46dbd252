"""Discrete optimal transport: couplings of points and of weights, with or without noise."""

from liouville.numerics.couplings._chains import Chains as Chains
from liouville.numerics.couplings._chains import chains as chains
from liouville.numerics.couplings._chains import growth_length as growth_length
from liouville.numerics.couplings._exact import assignment as assignment
from liouville.numerics.couplings._exact import mean_distance as mean_distance
from liouville.numerics.couplings._exact import transport_plan as transport_plan
from liouville.numerics.couplings._exact import wasserstein as wasserstein
from liouville.numerics.couplings._sinkhorn import EntropicCoupling as EntropicCoupling
from liouville.numerics.couplings._sinkhorn import sinkhorn as sinkhorn
from liouville.numerics.couplings._unbalanced import UnbalancedCoupling as UnbalancedCoupling
from liouville.numerics.couplings._unbalanced import growing_cost as growing_cost
from liouville.numerics.couplings._unbalanced import growing_coupling as growing_coupling
from liouville.numerics.couplings._unbalanced import unbalanced_sinkhorn as unbalanced_sinkhorn
