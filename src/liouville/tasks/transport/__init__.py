"""Paths of least energy between distributions: optimal transport and Schrödinger bridges."""
