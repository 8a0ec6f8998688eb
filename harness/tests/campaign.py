#!/usr/bin/python3
"""What campaigns' HDF5 files must hold, seen from outside with h5py. Exit status 1 and a line if one does not.

    campaign.py same A.h5 B.h5              the same set of runs, none twice
    campaign.py faults FILE.h5              drawn faults: several per run, in order, recovered from
    campaign.py merged OUT.h5 A.h5 B.h5     all rows of both, keys unique, configurations byte for byte
"""
import sys

import h5py
import numpy as np

FACTORS = ("run", "block", "position", "warmup", "seed", "application", "class_name", "ranks", "parameters", "strategy", "system",
           "interval_s", "fault")


def runs(file):
    columns = [file["runs"][name][:] for name in FACTORS]
    return [tuple("-" if isinstance(v, float) and np.isnan(v) else v for v in row) for row in zip(*columns)]


def same(a, b):
    with h5py.File(a) as first, h5py.File(b) as second:
        assert len(set(runs(first))) == len(runs(first)), f"{a}: a run is there twice"
        assert len(set(runs(second))) == len(runs(second)), f"{b}: a run is there twice"
        assert set(runs(first)) == set(runs(second)), f"{a} and {b} hold different runs"
        assert len(first["runs/run"]) == first.attrs["runs_planned"], "a run is missing"
        return f"{len(runs(first))} runs, the same in both"


def faults(path):
    with h5py.File(path) as file:
        table = {name: column[:] for name, column in file["faults"].items()}
        words = {value: word for word, value in h5py.check_enum_dtype(file["faults/distribution"].dtype).items()}
        drawn = np.array([words[v] == "exponential" for v in table["distribution"]])
        assert drawn.any(), "no drawn fault"
        assert (table["mtbf_s"][drawn] > 0).all() and np.isnan(table["mtbf_s"][~drawn]).all(), "mtbf_s"
        struck = table["injected"] == 1
        several = 0
        for run in set(table["run"]):
            mine = table["run"] == run
            assert (table["number"][mine] == np.arange(mine.sum())).all(), "numbers of a run's faults"
            times = table["at_s"][mine & struck]
            assert (np.diff(times) > 0).all() and (times >= table["planned_s"][mine & struck]).all(), "order of faults"
            several += len(times) > 1
        assert several, "no run with several faults"
        assert np.isnan(table["at_s"][~struck]).all(), "a fault that did not strike has a time"
        ok = np.isin(table["run"], file["runs/run"][:][file["runs/outcome"][:] == 1])
        # A run's last fault may hit a program that is just ending by itself.
        last = np.append(table["run"][1:] != table["run"][:-1], True) | np.append(~struck[1:], True)
        recovered = table["recovered_s"] > 0
        assert recovered[struck & ok & ~last].all(), "not recovered from"
        assert recovered[struck & ok].sum() > 0.5 * (struck & ok).sum(), "hardly recovered from"
        return f"{struck.sum()} faults struck, {several} runs with several"


def merged(out, *sources):
    with h5py.File(out) as file:
        all_runs = file["runs/run"][:]
        assert len(set(all_runs)) == len(all_runs), "runs are not unique"
        at = 0
        blocks = set()
        for path in sources:
            with h5py.File(path) as source:
                count, campaign = len(source["runs/run"]), source.attrs["campaign"]
                mine = slice(at, at + count)
                assert set(file["runs/campaign"][mine]) == {campaign}, f"campaign of {path}"
                for name in source["runs"]:
                    if name in ("run", "block", "session"):
                        shift = file["runs"][name][mine] - source["runs"][name][:]
                        assert (shift == shift[0]).all(), f"{name} is not only moved"
                    else:
                        np.testing.assert_array_equal(file["runs"][name][mine], source["runs"][name][:])
                assert not blocks & set(file["runs/block"][mine]), "blocks of two campaigns are one"
                blocks |= set(file["runs/block"][mine])
                for table in ("epochs", "faults", "counters", "events", "restores"):
                    there = np.isin(file[table]["run"][:], all_runs[mine]).sum()
                    assert there == len(source[table]["run"]), f"rows of /{table}"
                name = campaign.decode() if isinstance(campaign, bytes) else campaign
                assert file[f"configuration/{name}/yaml"][()] == source["configuration/yaml"][()], "configuration"
                at += count
        assert at == len(all_runs) == file.attrs["runs_planned"]
        return f"{at} runs of {len(sources)} campaigns"


if __name__ == "__main__":
    try:
        print({"same": same, "faults": faults, "merged": merged}[sys.argv[1]](*sys.argv[2:]))
    except AssertionError as error:
        sys.exit(f"campaign.py {' '.join(sys.argv[1:])}: {error}")
