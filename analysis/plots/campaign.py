"""Reads what pictures, report and paper are made of: a campaign's HDF5 (results/README.md) and dejavu-stats' analysis.json.

Texts and enums become str, missing integers (-1 in columns that count or measure) become NaN as missing floats are.
"""

import json
import pathlib

import h5py
import numpy

IDENTIFYING_UNITS = ("index", "number", "address")  # of columns where -1 is a value


class Table(dict):
    """Columns by name, each an array; all have the same length. `units` has their units."""

    def __init__(self):
        super().__init__()
        self.units = {}

    def __len__(self):
        return len(next(iter(self.values()))) if dict.__len__(self) else 0

    def where(self, mask):
        """The rows that `mask` selects, as a new table."""
        rows = Table()
        rows.units = self.units
        rows.update({name: column[mask] for name, column in self.items()})
        return rows

    def cells(self, *names):
        """Pairs of a tuple of values of the columns `names` and the rows with these values, in order of appearance."""
        keys = list(zip(*(self[name] for name in names)))
        for key in dict.fromkeys(keys):
            yield key, self.where(numpy.array([k == key for k in keys], dtype=bool))


def text(value):
    """An HDF5 string, whichever way it was stored, as str."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_column(dataset):
    """A column as an array of str, of float (NaN: missing), or of int where it identifies; and its unit."""
    unit = text(dataset.attrs.get("unit", ""))
    values = dataset[:]
    words = h5py.check_enum_dtype(dataset.dtype)
    if words:
        names = {number: word for word, number in words.items()}
        return numpy.array([names.get(int(v), str(v)) for v in values], dtype=object), unit
    if dataset.dtype.kind in "SO":
        return numpy.array([text(v) for v in values], dtype=object), unit
    if dataset.dtype.kind == "i" and unit not in IDENTIFYING_UNITS:
        return numpy.where(values == -1, numpy.nan, values.astype(float)), unit
    return values, unit


class Campaign:
    """One campaign's file, read as a whole. A table that the file does not have is one without rows."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.tables = {}
        self.descriptions = {}
        with h5py.File(path, "r") as file:
            self.attributes = {key: value if numpy.isscalar(value) and not isinstance(value, bytes) else text(value)
                               for key, value in file.attrs.items()}
            for name, group in file.items():
                if name == "configuration":
                    self.configuration = {key: text(value) for key, value in group.attrs.items()}
                    self.yaml = text(group["yaml"][()])
                else:
                    self.tables[name] = self.read_table(group)
                    self.descriptions[name] = text(group.attrs.get("description", ""))
        self.name = text(self.attributes.get("name", self.path.stem))

    configuration = {}
    yaml = ""

    @staticmethod
    def read_table(group):
        table = Table()
        for name, dataset in group.items():
            table[name], table.units[name] = read_column(dataset)
        return table

    def __getitem__(self, name):
        return self.tables.get(name, Table())

    def samples(self):
        """The runs that count: ok and no warm-up."""
        runs = self["runs"]
        if not len(runs):
            return runs
        return runs.where((runs["outcome"] == "ok") & (runs["warmup"] == "no"))

    def environment(self):
        """{session: {key: value}} in order."""
        sessions = {}
        rows = self["environment"]
        for session, key, value in zip(*(rows.get(c, ()) for c in ("session", "key", "value"))):
            sessions.setdefault(int(session), {})[key] = value
        return sessions


class Analysis:
    """analysis.json of dejavu-stats; of several (analyse, simulate, ...) each table is the first one that has rows.

    A table that is nowhere is one without rows.
    """

    SCHEMA = 1

    def __init__(self, *paths):
        self.sources, self.tables = [], {}
        for path in map(pathlib.Path, paths):
            path = path / "analysis.json" if path.is_dir() else path
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            if content.get("schema") != self.SCHEMA:
                raise ValueError(f"{path}: schema {content.get('schema')}, but only {self.SCHEMA} is understood here;"
                                 " use a report.py and a dejavu-stats of one version")
            self.sources += [source for source in content["sources"] if source not in self.sources]
            for name, table in content["tables"].items():
                if not self.tables.get(name, {}).get("rows"):
                    self.tables[name] = table

    def rows(self, name, **equal):
        """The rows of a table whose columns have the given values, as dicts; None is missing."""
        rows = self.tables.get(name, {}).get("rows", [])
        return [row for row in rows if all(row.get(column) == value for column, value in equal.items())]


def number(value):
    """A value of analysis.json for arithmetic and drawing: None becomes NaN."""
    return numpy.nan if value is None else value
