"""Small things that know no path: special functions, networks, mixtures, couplings, parameters."""
