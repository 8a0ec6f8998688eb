#!/usr/bin/python3
"""Makes everything in the paper that is not prose: numbers, tables, figures, the artifact appendix.

usage: generate.py CAMPAIGN.h5 --analysis DIR [--analysis DIR ...] [--more DIR] --results DIR -o DIR

--analysis: what dejavu-stats wrote for that campaign; --more: of further campaigns, whose running times become a table;
--results: where stall.h5, restart.h5 and latency.h5 are (what is not there is left out). In the output: numbers.tex
(\\newcommand for each figure in the text, \\ifdv... for each part of the data), table-*.tex, figure-*.tex with their PDF,
artifact.tex, experiment.yaml.
"""

import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "analysis"))

import bench  # noqa: E402
import latex  # noqa: E402
import macros  # noqa: E402
from plots import look, measured, picture, predicted  # noqa: E402
from plots.campaign import Analysis, Campaign  # noqa: E402

TALL = 4.0  # inches: what is taller in one column goes over both
FIGURES = (measured.overhead, measured.stall, measured.bytes_per_epoch, measured.recovery, predicted.cost_model,
           predicted.efficiency, predicted.crossover, predicted.validation)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign")
    parser.add_argument("--analysis", required=True, action="append")
    parser.add_argument("--more")
    parser.add_argument("--results", required=True, type=pathlib.Path)
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path)
    return parser.parse_args()


def numbers_tex(found):
    """numbers.tex: every figure as \\dv<Name>, every flag as \\ifdv<Name>."""
    lines = [rf"\newcommand{{\dv{name}}}{{{value}\xspace}}" for name, value in sorted(found.items())]
    for flag, there in macros.flags(found).items():
        lines.append(rf"\newif\ifdv{flag}\dv{flag}{'true' if there else 'false'}")
    return "\n".join(lines) + "\n"


def figure_text(name, item, stars):
    return (rf"\begin{{figure{stars}}}[tb]\centering\includegraphics{{{name}.pdf}}" "\n"
            rf"\caption{{{latex.escape(item.title)}. {latex.escape(item.caption)}}}\label{{figure:{name}}}" "\n"
            rf"\end{{figure{stars}}}" "\n")


def figures(data, output):
    """Draws all figures; what cannot be drawn has no file, and the text does without it."""
    for function in FIGURES:
        (item,) = picture.draw([function], data, look.COLUMN)
        if isinstance(item, picture.NoPicture):
            print(f"paper: no figure {item.name}: {item.reason}", file=sys.stderr)
            continue
        stars = ""
        if item.figure.get_size_inches()[1] > TALL:
            look.pyplot.close(item.figure)
            (item,) = picture.draw([function], data, look.PAGE)
            stars = "*"
        look.to_pdf(item.figure, output / f"{item.name}.pdf")
        (output / f"figure-{item.name}.tex").write_text(figure_text(item.name, item, stars), encoding="utf-8")


def cells_of(row):
    return [latex.escape(row["application"]), latex.escape(row["class_name"]), f"{row['ranks']:g}"]


def every(row):
    """The interval between checkpoints of a row."""
    return "--" if latex.is_missing(row["interval_s"]) else rf"{row['interval_s']:g}\,s"


def running_times(rows):
    columns = (("l", "app."), ("l", "class"), ("r", "ranks"), ("l", "strategy"), ("r", "every"), ("l", "base"), ("r", "$n$"),
               ("r", "base (s)"), ("r", "ratio"), ("l", "verdict"))
    return latex.tabular(columns, [
        [*cells_of(row), latex.escape(row["strategy"]), every(row),
         latex.escape(row["base"]), f"{int(row['n'])}", latex.number(row["base_median_s"]),
         latex.interval(row, "ratio", "ratio_low", "ratio_high", form=latex.ratio), latex.escape(row["verdict"] or "--")]
        for row in rows])


def means(rows):
    columns = (("l", "strategy"), ("r", "every"), ("l", "base"), ("r", "cells"), ("r", "ratio"))
    return latex.tabular(columns, [
        [latex.escape(row["strategy"]), every(row),
         latex.escape(row["base"]), f"{int(row['cells'])}",
         latex.interval(row, "ratio", "ratio_low", "ratio_high", form=latex.ratio)] for row in rows])


def checkpoints(analysis):
    """Stall and bytes of each application and strategy, side by side."""
    key = lambda row: tuple(row[c] for c in ("application", "class_name", "ranks", "strategy", "interval_s"))  # noqa: E731
    sizes = {key(row): row for row in analysis.rows("bytes")}
    columns = (("l", "app."), ("l", "class"), ("r", "ranks"), ("l", "strategy"), ("r", "every"), ("r", "epochs"),
               ("r", "stall (ms)"), ("r", "p95"), ("r", "max."), ("r", "populated"), ("r", "written"))
    rows = []
    for row in analysis.rows("stall"):
        size = sizes.get(key(row), {})
        sizes_text = ["--" if latex.is_missing(size.get(c)) else latex.byte_count(size[c])
                      for c in ("populated_bytes", "file_bytes")]
        rows.append([*cells_of(row), latex.escape(row["strategy"]),
                     every(row), f"{int(row['epochs'])}",
                     latex.interval(row, "median_ns", "low_ns", "high_ns", 1e-6),
                     *(latex.number(None if row[c] is None else row[c] * 1e-6) for c in ("p95_ns", "max_ns")), *sizes_text])
    return latex.tabular(columns, rows) if rows else ""


def tables(analysis, more, measurements, output):
    """Writes table-<name>.tex for each table that has rows."""
    stalls, restarts, latencies = measurements
    found = {"means": (means, [r for r in analysis.rows("geomean") if not latex.is_missing(r["ratio"])]),
             "more": (running_times, [r for r in more.rows("overhead") if not latex.is_missing(r["ratio"])] if more else []),
             "stall": (bench.stall_table, stalls), "restart": (bench.restart_table, restarts),
             "latency": (bench.latency_table, latencies)}
    for name, (make, rows) in found.items():
        if rows:
            (output / f"table-{name}.tex").write_text(make(rows), encoding="utf-8")
    text = checkpoints(analysis)
    if text:
        (output / "table-checkpoints.tex").write_text(text, encoding="utf-8")


def without_directories(text):
    """Where files were on the machine of the campaign is of no use to others: their names are."""
    return re.sub(r"(?<![^\s=:'\"])/(?:[^\s/:'\"]+/)+(?=[^\s/])", "", text)


def wrapped(text):
    """Long words may be broken after slashes, dots and underscores."""
    return re.sub(r"([/.=]|\\_)", r"\1\\allowbreak{}", latex.escape(without_directories(text)))


def artifact(campaign):
    """Hardware, versions and commands, from the campaign's file alone."""
    sessions = campaign.environment()
    first = next(iter(sessions.values()), {})
    lines = [r"\begin{description}\raggedright\itemsep0pt"]
    for key, value in first.items():
        others = {values.get(key) for values in sessions.values()}
        note = "" if len(others) == 1 else f" (and {len(others) - 1} other values in {len(sessions)} sessions)"
        lines.append(rf"\item[\texttt{{{latex.escape(key)}}}] {wrapped(value)}{note}")
    lines += [r"\end{description}", r"\paragraph{What was executed.} The first run of each treatment of the first application:",
              r"\begin{itemize}\raggedright\itemsep0pt"]
    runs = campaign["runs"]
    shown = set()
    for application, strategy, command in zip(runs["application"], runs["strategy"], runs["command"]):
        if application == runs["application"][0] and strategy not in shown:
            shown.add(strategy)
            lines.append(rf"\item \texttt{{{wrapped(command)}}}")
    return "\n".join(lines + [r"\end{itemize}", ""])


def measured_by(function, path):
    return function(path) if path.exists() else []


def main():
    options = arguments()
    campaign, analysis = Campaign(options.campaign), Analysis(*options.analysis)
    if not len(campaign.samples()):
        sys.exit(f"paper: error: {options.campaign} has no runs that count: a paper needs a campaign; see experiments/paper.yaml")
    output = options.output
    output.mkdir(parents=True, exist_ok=True)
    for old in [*output.glob("*.tex"), *output.glob("*.pdf")]:
        old.unlink()
    measurements = (measured_by(bench.stalls, options.results / "stall.h5"),
                    measured_by(bench.restarts, options.results / "restart.h5"),
                    measured_by(bench.latencies, options.results / "latency.h5"))
    (output / "numbers.tex").write_text(numbers_tex(macros.all_numbers(campaign, analysis, measurements)), encoding="utf-8")
    tables(analysis, Analysis(options.more) if options.more else None, measurements, output)
    figures(picture.Data(campaign, analysis), output)
    (output / "artifact.tex").write_text(artifact(campaign), encoding="utf-8")
    text = without_directories(campaign.yaml).encode("ascii", "replace").decode()
    (output / "experiment.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"paper: error: {error}")
