"""The one exception for input that a user can mend."""


class DataError(ValueError):
    """A file or setting given by the user cannot be used.

    The message is one line that names the file, the line or value at fault and the remedy; the command line prints it
    as it is and exits with status 2.
    """
