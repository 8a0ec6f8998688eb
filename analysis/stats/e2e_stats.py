#!/usr/bin/python3
"""dejavu-stats from outside: its four formats agree, medians are those that numpy finds in the campaign, the same seed
gives the same files, and bad input ends with the right exit status and a message that says what to do.

Runs in an empty directory; DEJAVU_BUILD and DEJAVU_TOP say where programs and results/ are."""
import csv
import json
import os
import subprocess

import h5py
import numpy as np

STATS = os.path.join(os.environ["DEJAVU_BUILD"], "bin", "dejavu-stats")
TOP = os.environ["DEJAVU_TOP"]
# A real campaign (54 runs of CG, FT, MG class B), kept for tests: what is published may change.
COST, IDLE = os.path.join(TOP, "analysis/tests/campaign.h5"), os.path.join(TOP, "results/idle.h5")
FEW = ["--nodes", "100,10000", "--node-mtbf", "43830h", "--replications", "20", "--work", "6h", "--partial"]


def run(*arguments, status=0, says=""):
    done = subprocess.run([STATS, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    assert says in done.stderr, (arguments, says, done.stderr)


def tables_of(directory):
    with open(os.path.join(directory, "analysis.json"), encoding="utf-8") as file:
        analysis = json.load(file, parse_constant=lambda word: 1 / 0)  # NaN and Infinity are no JSON
    assert analysis["schema"] == 1
    return analysis


def check_formats(directory):
    for name, table in tables_of(directory)["tables"].items():
        columns = [column["name"] for column in table["columns"]]
        assert table["title"] and all(c["unit"] and c["description"] for c in table["columns"]), name
        with open(os.path.join(directory, name + ".csv"), encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        assert lines[0] == columns and len(lines) == 1 + len(table["rows"]), name
        for line, row in zip(lines[1:], table["rows"]):
            assert [field or None for field in line] == [csv_text(row[c]) for c in columns], (name, line, row)
        check_hdf5(directory, name, table, columns)
        with open(os.path.join(directory, name + ".tex"), encoding="utf-8") as file:
            text = file.read()
        assert text.startswith("\\begin{tabular}") and text.count("\\\\\n") == 1 + len(table["rows"]), name


def csv_text(value):
    return None if value in (None, "") else f"{value:.17g}" if isinstance(value, float) else str(value)


def check_hdf5(directory, name, table, columns):
    with h5py.File(os.path.join(directory, "analysis.h5")) as file:
        for column in columns:
            dataset = file[name][column]
            words = h5py.check_enum_dtype(dataset.dtype)
            if words:
                found = [{v: w for w, v in words.items()}[v] for v in dataset[:]]
            elif dataset.dtype.kind == "S":
                found = [v.decode() for v in dataset[:]]
            elif dataset.dtype.kind == "f":
                found = [None if np.isnan(v) else v for v in dataset[:]]
            else:
                found = [None if v < 0 else v for v in dataset[:]]
            assert found == [row[column] for row in table["rows"]], (name, column)


def check_overhead(directory):
    """Each row against the campaign's own runs."""
    with h5py.File(COST) as file:
        runs = {c: file["runs"][c][:] for c in ("block", "application", "strategy", "wall_s", "outcome", "warmup")}
    good = (runs["outcome"] == 1) & (runs["warmup"] == 0)

    def times(application, strategy):
        chosen = good & (runs["application"] == application) & (runs["strategy"] == strategy)
        return dict(zip(runs["block"][chosen], runs["wall_s"][chosen]))

    rows = [row for row in tables_of(directory)["tables"]["overhead"]["rows"] if row["campaign"] == "cost"]
    assert len(rows) == 9
    for row in rows:
        own = times(row["application"].encode(), row["strategy"].encode())
        base = times(row["application"].encode(), row["base"].encode())
        blocks = sorted(own.keys() & base.keys())
        ratios = np.array([own[b] / base[b] for b in blocks])
        differences = np.array([own[b] - base[b] for b in blocks])
        i, j = np.triu_indices(len(blocks))
        assert row["n"] == len(blocks)
        assert np.isclose(row["ratio"], np.median(ratios))
        assert np.isclose(row["base_median_s"], np.median([base[b] for b in blocks]))
        assert np.isclose(row["shift_s"], np.median((differences[i] + differences[j]) / 2))
        if len(blocks) == 6:  # 6 values: the interval is the range
            assert np.isclose(row["ratio_low"], ratios.min()) and np.isclose(row["ratio_high"], ratios.max())


def check_simulation(directory):
    tables = tables_of(directory)["tables"]
    rows = tables["simulation"]["rows"]
    assert len(rows) == 2 * 2 * 2 * 2 * 2  # nodes, bandwidths, laws, levels, protocols
    assert all(0 < row["efficiency"] <= 1 and row["low"] <= row["efficiency"] <= row["high"] for row in rows)
    small, large = ([r["efficiency"] for r in rows if r["nodes"] == n] for n in (100, 10000))
    assert np.mean(small) > np.mean(large)
    assert len(tables["crossover"]["rows"]) == len(rows) // 2
    assert tables["overhead"]["rows"], "simulate keeps what analyse made"


def check_repeatable(first, second):
    for name in ("analysis.json", "simulation.csv", "model.csv"):
        with open(os.path.join(first, name), "rb") as a, open(os.path.join(second, name), "rb") as b:
            assert a.read() == b.read(), name


def check_bad_input():
    run("analyse", "nothing.h5", "-o", "x", status=2, says="nothing.h5")
    with open("half.h5", "wb") as file, open(COST, "rb") as whole:
        file.write(whole.read()[:20000])
    run("analyse", "half.h5", "-o", "x", status=1, says="half.h5")
    run("analyse", COST, status=2, says="-o DIR")
    run("analyse", "-o", "x", status=2, says="which campaign")
    run("analize", COST, "-o", "x", status=2, says="analize")
    run("analyse", COST, "-o", "/dev/null/x", status=3, says="/dev/null")
    run("analyse", COST, "-o", "x", "--margin", "2%", status=2, says="--margin")
    run("analyse", COST, "-o", "x", "--mtbf", "1h,soon", status=2, says="soon")
    run("simulate", COST, "-o", "x", "--levels", "shared+node", status=2, says="--levels")
    run("simulate", COST, "-o", "x", "--failures", "gamma", status=2, says="weibull:SHAPE")
    run("simulate", COST, "-o", "x", "--application", "lu", status=4, says="lu")
    assert not os.path.exists("x"), "nothing is written of bad input"


for place in ("a", "b"):
    run("analyse", COST, IDLE, "-o", place)
    run("simulate", COST, "-o", place, *FEW)
    run("validate", COST, "-o", place)
assert [source["name"] for source in tables_of("a")["sources"]] == ["cost", "idle"]
check_formats("a")
check_overhead("a")
check_simulation("a")
check_repeatable("a", "b")
check_bad_input()
print("dejavu-stats: formats, numbers, repetition and bad input are as they should be")
