"""Text from strangers, such as a file's name, made harmless for a terminal and a page."""


def printable(text: str) -> str:
    """The text with its control characters written out, as in "\\\\x1b[31m"; line feeds and tabs stay as they are.

    A name that holds them could move the cursor, recolour or rename the window of whoever looks at it.
    """
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
