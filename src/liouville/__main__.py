"""`python -m liouville` is `liouville`."""

from liouville.cli import main

main()
