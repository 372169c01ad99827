"""Turn data into a better language model without leaving the terminal."""

__version__ = "0.1.0"
