"""The command line: `liouville COMMAND`. JAX is imported by the commands, not by their help."""

from liouville.cli._app import main as main
