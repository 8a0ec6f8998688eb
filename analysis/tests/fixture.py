#!/usr/bin/python3
"""Writes a made-up campaign (fixture.h5) and its analysis (analysis.json) in which every table has rows, for tests.

usage: fixture.py DIR [--empty]    --empty: a campaign that was interrupted before its first run, and no tables

The numbers are drawn at random from DEJAVU_SEED. Texts hold what a page must quote: <, &, quotes, letters beyond ASCII.
"""

import json
import os
import pathlib
import random
import sys

import h5py
import numpy

NASTY = "<script>alert(1)</script> & \"quotes\" 'ä€' </svg>"
ENUMS = {"warmup": ["no", "yes"], "outcome": ["failed", "ok"], "verified": ["no", "yes"], "committed": ["no", "yes"],
         "oversubscribed": ["no", "yes"], "injected": ["no", "yes"], "strategy_kind": ["native", "idle", "checkpoint"]}
UNITS = {"run": "index", "block": "index", "epoch": "index", "rank": "index", "session": "index", "incarnation": "index",
         "ranks": "processes", "epochs": "epochs"}
STRATEGIES = ("full+coordinated", "incremental+coordinated")
APPLICATIONS = ("cg", "ft", "synthetic")


def unit(name):
    ending = name.rsplit("_", 1)[-1]
    return UNITS.get(name, {"s": "s", "ns": "ns", "bytes": "B"}.get(ending, ""))


def write_table(file, name, rows, columns):
    """Columns as dejavu-bench writes them: fixed-length UTF-8, enums, float64, int64."""
    group = file.create_group(name)
    for column in columns:
        values = [row[column] for row in rows]
        if column in ENUMS:
            kind = h5py.enum_dtype({word: i for i, word in enumerate(ENUMS[column])}, basetype="i4")
            data = group.create_dataset(column, data=[ENUMS[column].index(v) for v in values], dtype=kind, shape=(len(values),))
        elif values and isinstance(values[0], str):
            length = max(1, *(len(v.encode()) for v in values))
            data = group.create_dataset(column, data=[v.encode() for v in values], dtype=h5py.string_dtype("utf-8", length))
        else:
            kind = "f8" if column.endswith("_s") else "i8"
            data = group.create_dataset(column, data=numpy.array(values, dtype=kind))
        data.attrs["unit"], data.attrs["description"] = unit(column), f"column {column}"


def runs_of(draw):
    treatments = [("native", "native", numpy.nan, "none"), ("idle", "idle", numpy.nan, "none")]
    treatments += [(name, "checkpoint", interval, "none") for name in STRATEGIES for interval in (1.0, 5.0)]
    treatments += [(name, "checkpoint", 1.0, fault) for name in STRATEGIES for fault in ("rank 1 at 2s", "all")]
    rows = []
    for block in range(-1, 6):
        for application in APPLICATIONS:
            for strategy, kind, interval, fault in treatments:
                wall = 10 * draw.lognormvariate(0, 0.02) * (1.06 if kind == "checkpoint" else 1)
                failed = (block, application, strategy, fault) == (2, "ft", "idle", "none")
                rows.append({
                    "run": len(rows), "block": block, "session": 0, "seed": draw.getrandbits(31), "application": application,
                    "class_name": "-" if application == "synthetic" else "S", "ranks": 2, "strategy": strategy,
                    "strategy_kind": kind, "interval_s": interval, "fault": fault, "wall_s": wall, "application_s": wall - 0.3,
                    "warmup": "yes" if block < 0 else "no", "outcome": "failed" if failed else "ok",
                    "reason": NASTY if failed else "", "verified": "yes", "oversubscribed": "no",
                    "epochs": 3 if kind == "checkpoint" else 0, "command": f"dejavu run -n 2 -- npb-{application} {NASTY}"})
    return rows


def epochs_of(runs, draw):
    rows = []
    for run in runs:
        for epoch in range(1, run["epochs"] + 1):
            for rank in range(2):
                size = int(1e7 * (1 if epoch == 1 or "full" in run["strategy"] else 0.1) * draw.lognormvariate(0, 0.1))
                rows.append({"run": run["run"], "epoch": epoch, "rank": rank, "at_s": 2.5 * epoch, "committed": "yes",
                             "stall_ns": int(2e7 * draw.lognormvariate(0, 0.3)), "write_ns": int(size * 0.8 + 1e6),
                             "file_bytes": -1 if run["run"] % 50 == 7 else size})
    return rows


def faults_of(runs, draw):
    faults, restores = [], []
    for run in runs:
        if run["fault"] == "none":
            continue
        took = 0.3 * draw.lognormvariate(0, 0.2)
        faults.append({"run": run["run"], "label": run["fault"], "injected": "yes", "at_s": 2.0, "recovered_s": took})
        for rank in range(2):
            restores.append({"run": run["run"], "incarnation": 1, "rank": rank, "split_ns": 5_000_000, "mpi_init_ns": 20_000_000,
                             "read_ns": int(1e8 * took), "rebuild_ns": 1_000_000, "restore_ns": int(3e7 + 1e8 * took)})
    return faults, restores


def table(title, rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return {"title": title, "rows": rows,
            "columns": [{"name": name, "unit": unit(name), "description": f"what {name} is"} for name in names]}


def interval(middle, width):
    return {"ratio": middle, "ratio_low": middle - width, "ratio_high": middle + width}


def tables(draw):
    """One table of each name of the contract, in its columns."""
    cells = [{"application": a, "class_name": "-" if a == "synthetic" else "S", "ranks": 2} for a in APPLICATIONS]
    kinds = [{"strategy": s, "interval_s": i} for s in STRATEGIES for i in (1.0, 5.0)]
    both = [{**c, **k} for c in cells for k in kinds]
    idle = [{**c, "strategy": "idle", "interval_s": None} for c in cells]
    grid = [(n, m) for n in (100, 1000, 10000, 100000) for m in (3.15e7, 1.58e8, 3.15e8)]
    return {
        "overhead": table("Running time", [
            {**row, "base": base, "n": 6, "base_median_s": 10.0, "median_s": 10.6, **interval(draw.uniform(0.99, 1.1), 0.02),
             "coverage": 0.97, "shift_s": 0.6, "shift_low_s": 0.4, "shift_high_s": 0.8, "p_wilcoxon": 0.03, "p_holm": 0.06,
             "verdict": draw.choice(["slower", "equivalent", "undecided"]), "drift_p": 0.5}
            for base, rows in (("native", both + idle), ("idle", both)) for row in rows]),
        "geomean": table("Geometric means", [{**k, "base": "native", "cells": 3, **interval(1.05, 0.01)} for k in kinds]),
        "stall": table("Stalls", [{**row, "epochs": 18, "median_ns": 2.1e7, "low_ns": 1.9e7, "high_ns": 2.4e7, "p95_ns": 3e7,
                                   "max_ns": 4e7, "slowest_rank": 1} for row in both]),
        "bytes": table("Bytes per epoch", [
            {**row, "epochs": 18, "populated_bytes": 2e7, "examined_bytes": 1e7, "data_bytes": 9e6, "file_bytes": 9.1e6,
             "write_bandwidth": 1.2e9, "bound_bandwidth": None} for row in both]),
        "recovery": table("Recovery", [{**row, "fault": "all", "n": 6, "median_s": 0.3, "low_s": 0.2, "high_s": 0.4, "max_s": 0.5}
                                       for row in both]),
        "model": table("Cost models", [
            {"strategy": s, "component": c, "term": t, "unit": "s" if t == "a" else "s/B", "estimate": e, "low": 0.9 * e,
             "high": 1.1 * e, "n": 40, "residual_median": 0.1}
            for s in STRATEGIES for c in ("stall", "write") for t, e in (("a", 1e-3), ("b", 8e-10))]),
        "optimum": table("Optimum intervals", [
            {**c, "strategy": s, "mtbf_s": 86400.0, "cost_s": 0.02, "young_s": 58.8, "daly_s": 58.7, "exact_s": 58.7,
             "efficiency": 0.999, "young_efficiency": 0.9989} for c in cells for s in STRATEGIES]),
        "simulation": table("Simulated scale", [
            {"strategy": s, "protocol": p, "levels": 1, "distribution": d, "shape": h, "nodes": n, "node_mtbf_s": 1.58e8,
             "interval_s": 600.0, "n": 200, "efficiency": e, "low": e - 0.02, "high": min(1, e + 0.02)}
            for s in STRATEGIES for p in ("coordinated", "partial") for d, h in (("exponential", None), ("weibull", 0.7))
            for n in (100, 1000, 10000, 100000, 1000000) for e in (1 / (1 + n * (2e-6 if p == "partial" else 5e-6)),)]),
        "crossover": table("Crossover", [
            {"strategy_a": STRATEGIES[0], "strategy_b": STRATEGIES[1], "protocol_a": "coordinated", "protocol_b": "partial",
             "nodes": n, "node_mtbf_s": m, "bandwidth": b,
             "winner": w, "efficiency_a": 0.9, "efficiency_b": {"a": 0.85, "b": 0.97, "tie": 0.9}[w]}
            for n, m in grid for b in (1e10, 1e12) for w in ("tie" if n < 1000 else "b" if n < 1e5 else "a",)]),
        "validation": table("Validation", [
            {"application": a, "strategy": STRATEGIES[i % 2], "interval_s": 1.0, "distribution": "exponential",
             "measured_s": 30.0 + i, "measured_low_s": 28.0 + i,
             "measured_high_s": 33.0 + i, "predicted_s": 31.0, "predicted_low_s": 29.0, "predicted_high_s": 33.0,
             "within": "yes" if i < 2 else "no"}
            for i, a in enumerate(APPLICATIONS)]),
        "left_out": table("Left out", [{"what": "bt.S × 3", "reason": NASTY, "count": 4}]),
    }


def write_campaign(path, runs, draw):
    columns = list(runs_of(draw)[0])
    with h5py.File(path, "w") as file:
        file.attrs.update({"schema_version": 2, "generator": "fixture", "name": "fixture", "campaign": "0123456789abcdef",
                           "description": f"made up: {NASTY}", "runs_planned": 210, "plan": "feedbeef"})
        group = file.create_group("configuration")
        group.create_dataset("yaml", data=f"# {NASTY}\napplications: [cg, ft]\n")
        group.attrs.update({"seed": "20070326", "file": "experiments/fixture.yaml"})
        write_table(file, "runs", runs, columns)
        epochs = epochs_of(runs, draw)
        faults, restores = faults_of(runs, draw)
        for name, rows in (("epochs", epochs), ("faults", faults), ("restores", restores)):
            if rows:
                write_table(file, name, rows, list(rows[0]))
        write_table(file, "environment", [{"session": 0, "key": key, "value": value} for key, value in (
            ("cpu_model", "A & B <CPU>"), ("kernel", "Linux 6.18"), ("session_start", "2026-01-01T00:00:00Z"))],
            ["session", "key", "value"])
        write_table(file, "left_out", [{"cell": "bt.S × 3", "reason": NASTY}], ["cell", "reason"])


def main():
    directory = pathlib.Path(sys.argv[1])
    empty = "--empty" in sys.argv[2:]
    seed = int(os.environ.get("DEJAVU_SEED", "1"))
    print(f"seed {seed} (DEJAVU_SEED={seed} repeats it)")
    draw = random.Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    write_campaign(directory / "fixture.h5", [] if empty else runs_of(draw), draw)
    content = {"schema": 1, "sources": [{"file": "fixture.h5", "campaign": "0123456789abcdef", "name": "fixture"}],
               "tables": {} if empty else tables(draw)}
    (directory / "analysis.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
