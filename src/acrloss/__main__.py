"""`python -m acrloss` is the `acrloss` program."""

from acrloss.cli import command

if __name__ == "__main__":
    command()
