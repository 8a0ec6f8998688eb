#!/usr/bin/python3
"""Is an HDF5 file of dejavu-bench what results/README.md promises? check_schema.py FILE.h5 EXPERIMENT.yaml README.md"""
import re
import sys

import h5py
import numpy as np

KINDS = {"int64": "i8", "float64": "f8"}


def columns_of(readme):
    """{table: {column: (type, unit)}} from the README's tables."""
    tables, table = {}, None
    for line in readme.splitlines():
        head = re.match(r"### /(\w+)$", line)
        if head:
            table = tables.setdefault(head.group(1), {})
        row = re.match(r"\| `(\w+)` \| ([^|]+) \| ([^|]*) \|", line)
        if row and table is not None:
            table[row.group(1)] = (row.group(2).strip(), row.group(3).strip())
    tables.pop("configuration", None)
    return tables


def check_column(name, data, wanted, rows):
    kind, unit = wanted
    assert data.shape == (rows,), f"{name}: shape {data.shape}, others have {rows} rows"
    assert len(data.attrs["description"]) > 3, f"{name}: no description"
    if kind.startswith("enum"):
        words = h5py.check_enum_dtype(data.dtype)
        assert words and set(np.unique(data[:])) <= set(words.values()), f"{name}: not an enum"
    elif kind == "string":
        assert h5py.check_string_dtype(data.dtype), f"{name}: not a string"
    else:
        assert data.dtype == np.dtype(KINDS[kind]), f"{name}: {data.dtype}, not {kind}"
        unit_found = data.attrs["unit"]
        unit_found = unit_found.decode() if isinstance(unit_found, bytes) else unit_found
        assert unit_found == unit, f"{name}: unit {unit_found}, not {unit}"


def check(path, experiment, readme):
    tables = columns_of(readme)
    with h5py.File(path, "r") as f:
        assert f.attrs["schema_version"] == 2
        assert bytes(f["configuration/yaml"][()]) == experiment, "the experiment is not there byte for byte"
        assert "seed" in f["configuration"].attrs
        assert set(f) == set(tables) | {"configuration"}, f"tables {set(f) ^ set(tables)}"
        for table, columns in tables.items():
            assert set(f[table]) == set(columns), f"/{table}: columns {set(f[table]) ^ set(columns)}"
            rows = len(f[table][next(iter(columns))])
            for column, wanted in columns.items():
                check_column(f"/{table}/{column}", f[table][column], wanted, rows)
        runs = f["runs"]["run"][:]
        assert len(set(runs)) == len(runs), "a run is there twice"
        for table in ("epochs", "decisions", "restores", "faults", "counters", "events"):
            assert set(f[table]["run"][:]) <= set(runs), f"/{table} has rows of unknown runs"
        unavailable = f["counters/state"][:] == 1
        values = f["counters/value"][:]
        assert np.isnan(values[unavailable]).all(), "an unavailable counter has a value"
        assert not np.isnan(values[~unavailable]).any(), "a counted counter has no value"
        clock = f["counters/name"][:] == b"perf::TASK-CLOCK"
        good = (f["counters/state"][:] == 0) & clock
        assert (values[good] > 0).all(), "a task clock stands still"
        sessions = set(f["environment/session"][:])
        assert set(f["runs/session"][:]) <= sessions, "a session without environment"
        samples = f["runs/outcome"][:] == 1
        assert (f["runs/verified"][:][samples] == 1).all(), "a sample that is not verified"
        assert (f["runs/wall_s"][:] > 0).all()
        print(f"{path}: {len(runs)} of {f.attrs['runs_planned']} runs, schema as documented")


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as e, open(sys.argv[3], encoding="utf-8") as r:
        check(sys.argv[1], e.read(), r.read())
