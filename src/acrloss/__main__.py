"""`python -m acrloss` is the `acrloss` program."""

from acrloss.commands.main import command

if __name__ == "__main__":
    command()
