#!/usr/bin/python3
"""Tests that the paper's figures are generated: from a made-up campaign that has everything, and from the published ones.

usage: test_paper.py    builds the PDF, too, where LaTeX is installed (mk/deps.sh paper); DEJAVU_BUILD: where dejavu-stats is
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PAPER = pathlib.Path(__file__).resolve().parent
TOP = PAPER.parent
sys.path[:0] = [str(PAPER), str(TOP / "analysis")]
import bench  # noqa: E402
import generate  # noqa: E402
import latex  # noqa: E402
from plots.campaign import Campaign  # noqa: E402

STATS = pathlib.Path(os.environ.get("DEJAVU_BUILD", TOP / "build")) / "bin/dejavu-stats"
TEXTS = [path for path in sorted(PAPER.glob("*.tex"))]
# A number and a unit of what is measured. "95\,\% quantile" names a statistic.
MEASURED = re.compile(r"\d[\d.,]*\s*(?:\\,|~|-|\s)?\s*(?:ms|ns|s|min|seconds?|[kMGT]i?B(?:/s)?|\\%|times)(?!\w)(?!\s*quantile)"
                      r"|\d\.\d")
# Lines of layout, and what else holds numbers that were not measured.
LAYOUT = re.compile(r"\s*(%|\\(usepackage|documentclass|setlength|put|begin\{picture|thicklines))")
NO_FIGURES = re.compile(r"(?<!\\)%.*|\{[\d.]+pt\}|Debian~\d+")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=200, **options)


def generated(directory, campaign, analysis):
    done = run(PAPER / "generate.py", campaign, "--analysis", analysis, "--results", TOP / "results", "-o", directory)
    assert done.returncode == 0, done.stderr
    return directory


def builds(directory, source):
    """The number of pages of the PDF that LaTeX makes of a directory of generated files."""
    done = run("latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", f"-outdir={directory}", "dejavu.tex", cwd=PAPER,
               env={**os.environ, "TEXINPUTS": f".:{source}:", "max_print_line": "1000"})
    log = (directory / "dejavu.log").read_text(encoding="latin-1") if (directory / "dejavu.log").exists() else done.stdout
    assert done.returncode == 0, log[-3000:]
    faults = re.findall(r"LaTeX Warning: (?:Reference|Citation).*|Overfull \\hbox \((?:[3-9]\d|\d{3,})\..*", log)
    assert not faults, faults
    return int(re.search(r"Output written on .*?\((\d+) pages", log, re.S).group(1))


class Paper(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.directory = pathlib.Path(cls.temporary.name)
        made = run(TOP / "analysis/tests/fixture.py", cls.directory)
        assert made.returncode == 0, made.stderr
        cls.generated = generated(cls.directory / "all", cls.directory / "fixture.h5", cls.directory)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_text_contains_no_measured_figure(self):
        for path in TEXTS:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if not LAYOUT.match(line):
                    self.assertIsNone(MEASURED.search(NO_FIGURES.sub("", line)), f"{path.name}:{number}: {line}")

    def test_the_pattern_finds_figures(self):
        for text in (r"takes 43\,ms", "51 ms", r"4.5\,\%", "2~GB", "1.07", r"12\,\% slower", "10 times"):
            self.assertIsNotNone(MEASURED.search(text), text)
        for text in ("class~B", r"95\,\% quantile", "two ranks", "version 3"):
            self.assertIsNone(MEASURED.search(text), text)

    def test_every_figure_in_the_text_is_generated(self):
        text = "\n".join(path.read_text(encoding="utf-8") for path in TEXTS)
        numbers = (self.generated / "numbers.tex").read_text(encoding="utf-8")
        defined = set(re.findall(r"\\newcommand\{\\(dv\w+)\}", numbers)) | {"dvfigure", "dvtable", "dvref", "dv"}
        defined |= {f"ifdv{flag}" for flag in re.findall(r"\\newif\\ifdv(\w+)", numbers)}
        defined |= {"dvfigurename", "dvtablename"}
        used = set(re.findall(r"\\((?:if)?dv\w*)", text))
        self.assertEqual(used - defined, set())
        self.assertNotIn("false\n", numbers)
        for name in re.findall(r"\\dvfigure\{([\w-]+)\}", text):
            self.assertTrue((self.generated / f"{name}.pdf").stat().st_size > 2000, name)
        for name in re.findall(r"\\dvtable(?:\[\*\])?\{(\w+)\}", text):
            if name != "more":
                self.assertTrue((self.generated / f"table-{name}.tex").exists(), name)

    def test_same_input_gives_the_same_files(self):
        again = generated(self.directory / "again", self.directory / "fixture.h5", self.directory)
        for path in self.generated.iterdir():
            self.assertEqual(path.read_bytes(), (again / path.name).read_bytes(), path.name)

    def test_machine_paths_stay_out(self):
        self.assertEqual(generate.without_directories("/work/x/bin/dejavu run --job=/tmp/j/job -- ./a /b/c.d xxh64"),
                         "dejavu run --job=job -- ./a c.d xxh64")
        self.assertEqual(generate.without_directories("1/2 a/b http://x"), "1/2 a/b http://x")

    def test_text_for_latex(self):
        self.assertEqual(latex.escape("a_b & 5% {x} \\ ~ é ☃"),
                         r"a\_b \& 5\% \{x\} \textbackslash{} \textasciitilde{} é ?")
        for value, text in ((0.01234, "0.0123"), (51.26, "51.3"), (1234.5, "1234"), (None, "--"), (0, "0"), (9.996, "10.00")):
            self.assertIn(latex.number(value), (text, text.rstrip("0").rstrip(".")))
        self.assertEqual(latex.listed(["a", "b", "c"]), "a, b and c")

    def test_order_statistics(self):
        values = list(range(1, 16))  # n = 15: the 4th and the 12th, coverage 0.9648
        self.assertEqual(bench.order_interval(values), (8.0, 4, 12))
        self.assertEqual(bench.order_interval(range(6)), (2.5, 0, 5))
        self.assertTrue(bench.order_interval(range(5))[1] != bench.order_interval(range(5))[1])  # NaN: too few

    @unittest.skipUnless(STATS.exists(), "dejavu-stats is not built")
    def test_order_statistics_are_those_of_dejavu_stats(self):
        source = TOP / "analysis/tests/campaign.h5"
        self.assertEqual(run(STATS, "analyse", source, "-o", self.directory / "stats").returncode, 0)
        rows = json.loads((self.directory / "stats/analysis.json").read_text())["tables"]["stall"]["rows"]
        campaign = Campaign(source)
        runs = campaign.samples()
        of = {run: app for run, app in zip(runs["run"], runs["application"])}
        worst = {}
        epochs = campaign["epochs"]
        for run_, epoch, stall, done in zip(*(epochs[c] for c in ("run", "epoch", "stall_ns", "committed"))):
            if done == "yes" and run_ in of:
                worst[of[run_], run_, epoch] = max(worst.get((of[run_], run_, epoch), 0), stall)
        self.assertGreater(len(rows), 0)
        for row in rows:
            mine = bench.order_interval([v for (app, *_), v in worst.items() if app == row["application"]])
            for value, theirs in zip(mine, (row["median_ns"], row["low_ns"], row["high_ns"])):
                self.assertAlmostEqual(value / theirs, 1, places=9)

    def test_campaign_without_samples_is_refused(self):
        run(TOP / "analysis/tests/fixture.py", self.directory / "none", "--empty")
        done = run(PAPER / "generate.py", self.directory / "none/fixture.h5", "--analysis", self.directory / "none", "--results",
                   TOP / "results", "-o", self.directory / "x")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no runs that count", done.stderr)

    @unittest.skipUnless(shutil.which("latexmk"), "LaTeX is not installed: mk/deps.sh paper")
    def test_pdf_with_everything_and_with_little(self):
        (self.directory / "tex").mkdir()
        self.assertIn(builds(self.directory / "tex", self.generated), range(7, 16))
        (self.directory / "little").mkdir()
        little = self.directory / "little/analysis.json"
        little.write_text(json.dumps({"schema": 1, "sources": [], "tables": {}}))
        source = generated(self.directory / "few", self.directory / "fixture.h5", little)
        (self.directory / "tex2").mkdir()
        self.assertIn(builds(self.directory / "tex2", source), range(5, 13))


if __name__ == "__main__":
    unittest.main()
