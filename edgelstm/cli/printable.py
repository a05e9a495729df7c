"""Text that is safe to show: names in a model file could otherwise give orders to the terminal."""


def printable(text: str) -> str:
    """Put "?" for control characters other than line ends and tabs."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
