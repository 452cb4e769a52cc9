"""Text for people; needs no torch."""


def printable(text: str) -> str:
    r"""The text with characters that are not to be printed escaped.

    Example:
        >>> print(printable("caf\u00e9\0\n"))
        café\x00\n
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
