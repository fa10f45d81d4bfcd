"""The program `acrloss`, also as `python -m acrloss`."""

import sys


def command() -> None:
    """Entry point of the program; leaves with the exit status of `acrloss.commands.main.main`."""
    try:
        from acrloss.commands.main import main
    except ModuleNotFoundError as error:
        # The base installation has no more than NumPy.
        if error.name is None or error.name.partition(".")[0] == "acrloss":
            raise
        sys.stderr.write(
            f"error: the program acrloss needs {error.name}, which is not installed; pip install 'acrloss[predict]', "
            "or 'acrloss[train]' for all commands\n"
        )
        sys.exit(2)
    sys.exit(main())


if __name__ == "__main__":
    command()
