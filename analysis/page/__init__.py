"""Parts of the HTML report: tables.py, summary.py, commands.py."""


def scalar(value):
    """An attribute of an HDF5 file as text, '' if it is not there."""
    return "" if value is None else str(value)
