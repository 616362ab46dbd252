"""From snapshots of cells at a few days to a model of how the population moves.

`fit_cells` is the whole application: it standardises the cells, starts from optimal-transport
chains through the snapshots, and trains a mixture path by likelihood plus kinetic energy.
"""
