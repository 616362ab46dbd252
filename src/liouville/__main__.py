"""The program: `liouville`, or `python -m liouville`."""

from liouville.runs.interruption import obeyed


def main() -> None:
    """Runs the command line, and stops it when the user says so, from the first import on."""
    with obeyed():
        from liouville.cli import main as run

        run()


if __name__ == "__main__":
    main()
