"""Densities of samples as the end of a path that starts from the standard normal law."""
