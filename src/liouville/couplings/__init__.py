"""Discrete optimal transport: couplings of points and of weights, with or without noise."""

from liouville.couplings._exact import assignment as assignment
from liouville.couplings._exact import chains as chains
from liouville.couplings._exact import transport_plan as transport_plan
from liouville.couplings._exact import wasserstein as wasserstein
from liouville.couplings._sinkhorn import EntropicCoupling as EntropicCoupling
from liouville.couplings._sinkhorn import sinkhorn as sinkhorn
