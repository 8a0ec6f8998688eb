#!/usr/bin/python3
"""Tests pictures and report without a browser.  usage: test_report.py (DEJAVU_SEED makes the made-up campaign repeatable)"""

import html.parser
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from page import tables  # noqa: E402
from plots import look, measured, picture, predicted  # noqa: E402
from plots.campaign import Analysis, Campaign  # noqa: E402

EMPTY_ELEMENTS = {"meta", "link", "br", "img", "hr", "input"}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)


def make(directory, *options):
    """A made-up campaign and its report; returns the page."""
    made = run(HERE / "fixture.py", directory, *options)
    assert made.returncode == 0, made.stderr
    page = directory / "report.html"
    reported = run(HERE.parent / "report.py", directory / "fixture.h5", "--analysis", directory, "-o", page)
    assert reported.returncode == 0, reported.stderr
    return page.read_text(encoding="utf-8")


class Checker(html.parser.HTMLParser):
    """Notes elements that are not closed, ids that are there twice, and whatever would load something."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.faults, self.tags, self.targets = [], set(), [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)
        if "id" in attrs and attrs["id"] in self.ids:
            self.faults.append(f"id {attrs['id']} twice")
        self.ids.add(attrs.get("id"))
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
            target = attrs.get(name)
            if target is not None:
                self.targets.append(target)
                if not target.startswith("#"):
                    self.faults.append(f"{tag} {name}={target}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY_ELEMENTS:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.directory = pathlib.Path(cls.temporary.name)
        cls.page = make(cls.directory)
        cls.data = picture.Data(Campaign(cls.directory / "fixture.h5"), Analysis(cls.directory))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def check(self, page):
        checker = Checker()
        checker.feed(page)
        self.assertEqual(checker.faults, [])
        self.assertEqual(checker.open, [])
        for tag in ("script", "iframe", "object", "img", "link"):
            self.assertNotIn(tag, checker.tags)
        for target in checker.targets:
            self.assertIn(target[1:], checker.ids)
        self.assertIsNone(re.search(r"url\((?!#)|@import", page))
        return checker

    def test_page_is_whole_and_loads_nothing(self):
        checker = self.check(self.page)
        self.assertEqual(checker.tags.count("svg"), len(measured.PICTURES + predicted.PICTURES))

    def test_every_picture_and_table_is_described(self):
        for name in re.findall(r'<figure id="picture-([^"]*)"', self.page):
            figure = self.page[self.page.index(f'<figure id="picture-{name}"'):]
            self.assertRegex(figure[:figure.index("</figure>")],
                             rf'(?s)<title id="{name}-title">.+<desc id="{name}-desc">.{{20,}}'
                             r'</desc>.*<figcaption>.{40,}</figcaption>')
        self.assertEqual(self.page.count("<table"), self.page.count("<caption>"))
        for name, table in self.data.analysis.tables.items():
            self.assertIn(f'id="table-{name}"', self.page)
            self.assertIn(table["title"], self.page)

    def test_page_says_what_was_done(self):
        for part in ("20070326", "experiments/fixture.yaml", "applications: [cg, ft]", "session_start", "A &amp; B &lt;CPU&gt;",
                     "dejavu-bench run experiments/fixture.yaml --seed 20070326", "1 run failed", "bt.S × 3"):
            self.assertIn(part, self.page)

    def test_same_input_gives_the_same_page(self):
        again = self.directory / "again.html"
        self.assertEqual(run(HERE.parent / "report.py", self.directory / "fixture.h5", "--analysis", self.directory, "-o",
                             again).returncode, 0)
        self.assertEqual(again.read_text(encoding="utf-8"), self.page)

    def test_campaign_without_runs(self):
        with tempfile.TemporaryDirectory() as directory:
            page = make(pathlib.Path(directory), "--empty")
        checker = self.check(page)
        self.assertNotIn("svg", checker.tags)
        self.assertEqual(page[page.index("not-drawn"):].split("</ul>")[0].count("<li>"),
                         len(measured.PICTURES + predicted.PICTURES))
        self.assertIn("210 of 210 runs not made", page)

    def test_published_campaigns_of_every_schema(self):
        for path in sorted((HERE.parent.parent / "results").glob("*.h5")):
            data = picture.Data(Campaign(path), self.data.analysis)
            self.assertTrue(data.campaign.environment(), path)
            self.assertEqual(len(data.treatments) > 0, "runs" in data.campaign.tables, path)

    def test_all_points_are_drawn(self):
        figure, _, _ = measured.stall(self.data, look.REPORT)
        drawn = sum(len(points.get_offsets()) for axes in figure.axes for points in axes.collections)
        epochs = self.data.epochs()
        self.assertEqual(drawn, len(set(zip(epochs["run"], epochs["epoch"]))))
        look.pyplot.close(figure)

    def test_missing_values_are_not_numbers(self):
        sizes = self.data.campaign["epochs"]["file_bytes"]
        self.assertGreater(sum(size != size for size in sizes), 0)
        self.assertFalse((sizes == -1).any())

    def test_pairs_are_within_a_block(self):
        runs = self.data.campaign.samples()
        ratios = measured.paired_ratios(runs, ("ft", "S", 2), "full+coordinated", 1.0, "idle")
        walls = {(r, b): w for a, r, f, i, b, w in zip(*(runs[c] for c in ("application", "strategy", "fault", "interval_s",
                                                                           "block", "wall_s")))
                 if a == "ft" and f == "none" and (r == "idle" or i == 1.0)}
        expected = [walls["full+coordinated", b] / walls["idle", b] for b in range(6) if ("idle", b) in walls]
        self.assertEqual(len(ratios), 5)  # the idle run of block 2 failed
        self.assertEqual(list(ratios), expected)

    def test_intervals_are_folded_into_the_column_before(self):
        names = ["n", "ratio", "ratio_low", "ratio_high", "coverage", "shift_s", "shift_low_s", "shift_high_s", "flow"]
        folded = tables.fold_intervals([{"name": name} for name in names])
        self.assertEqual([(c["name"], low, high) for c, low, high in folded],
                         [("n", None, None), ("ratio", "ratio_low", "ratio_high"), ("coverage", None, None),
                          ("shift_s", "shift_low_s", "shift_high_s"), ("flow", None, None)])

    def test_numbers_for_people(self):
        for value, unit, text in ((None, "s", "–"), (float("nan"), "", "–"), (2.1e7, "ns", "21"), (1234567.0, "B", "1.235"),
                                  (True, "", "yes"), ("x", "", "x"), (0.000123456, "", "0.0001235")):
            self.assertEqual(tables.say(value, unit), text)

    def test_bad_input_is_named(self):
        bad = self.directory / "bad"
        bad.mkdir(exist_ok=True)
        (bad / "analysis.json").write_text(json.dumps({"schema": 99}), encoding="utf-8")
        for campaign, analysis, message in ((self.directory / "none.h5", self.directory, "none.h5"),
                                            (self.directory / "fixture.h5", bad, "schema 99"),
                                            (self.directory / "fixture.h5", self.directory / "no", "analysis.json|no'")):
            done = run(HERE.parent / "report.py", campaign, "--analysis", analysis, "-o", self.directory / "x.html")
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.stderr, message)
            self.assertNotIn("Traceback", done.stderr)
            self.assertFalse((self.directory / "x.html").exists())

    def test_figures_as_pdf(self):
        out = self.directory / "pdf"
        done = run(HERE.parent / "figures.py", self.directory / "fixture.h5", "--analysis", self.directory, "-o", out,
                   "--format", "pdf", "--look", "column", "overhead", "crossover")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({path.name for path in out.iterdir()}, {"overhead.pdf", "crossover.pdf", "captions.json"})
        wrong = run(HERE.parent / "figures.py", self.directory / "fixture.h5", "--analysis", self.directory, "-o", out, "overhed")
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("overhed", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
