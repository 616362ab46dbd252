"""The machinery of runs: configurations, folders, sealed files; nothing here knows JAX."""
