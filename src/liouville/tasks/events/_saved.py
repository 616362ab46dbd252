"""The classes the file of a point process may name."""

import equinox as eqx

from liouville import curves, paths, processes
from liouville.numerics import networks, parameters

CLASSES = (
    eqx.nn.Linear,
    curves.Constant,
    curves.Knots,
    networks.MLP,
    parameters.Fixed,
    paths.Diagonal,
    paths.Full,
    paths.Gaussian,
    paths.LocationScale,
    paths.Logistic,
    processes.ByKind,
    processes.ByMagnitude,
    processes.ConstantRate,
    processes.DetectedMagnitudes,
    processes.Encoder,
    processes.Exponentials,
    processes.Growth,
    processes.GutenbergRichter,
    processes.Hawkes,
    processes.HistoryFree,
    processes.KernelMixture,
    processes.Kinds,
    processes.MixtureMarks,
    processes.Neural,
    processes.Offspring,
    processes.PeriodicSeries,
    processes.PeriodicSteps,
    processes.Piecewise,
    processes.PointProcess,
    processes.Poisson,
    processes.PowerLaws,
    processes.Recalled,
    processes.Routed,
    processes.SumOfRates,
    processes.Triggered,
    processes.Unmarked,
    processes.WithCovariates,
)
