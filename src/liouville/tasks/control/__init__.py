"""Stochastic optimal control and mean-field control, without simulation in training."""
