#!/usr/bin/python3
"""Makes one self-contained HTML page of a campaign: summary, pictures, tables, failures, configuration, environment.

usage: report.py CAMPAIGN.h5 --analysis DIR [--analysis DIR ...] -o FILE.html

DIR is what `dejavu-stats analyse CAMPAIGN.h5 -o DIR` wrote (and another one, say, what `dejavu-stats simulate` did). The page
needs no network and no script, follows the reader's light or dark setting, and is the same for the same input.
Exit status: 0, or 3 if a file cannot be read or written.
"""

import argparse
import html
import pathlib
import sys

from page import commands, scalar, summary, tables
from plots import look, measured, picture, predicted
from plots.campaign import Analysis, Campaign

HERE = pathlib.Path(__file__).resolve().parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever would load something is refused by the browser


def pictures(data):
    """Every picture that can be drawn, and why the others cannot."""
    drawn, left_out = [], []
    for item in picture.draw(measured.PICTURES + predicted.PICTURES, data, look.REPORT):
        if isinstance(item, picture.NoPicture):
            left_out.append(f"<li>{html.escape(item.title)}: {html.escape(item.reason)}.</li>")
            continue
        svg = look.to_svg(item.figure, item.name, item.title, item.alt)
        drawn.append(f'<figure id="picture-{item.name}"><h3>{html.escape(item.title)}</h3>'
                     f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(item.title)}, picture">{svg}</div>'
                     f"<figcaption>{html.escape(item.caption)}</figcaption></figure>")
    if left_out:
        drawn.append(f'<h3>Not drawn</h3><ul class="not-drawn">{"".join(left_out)}</ul>')
    return "\n".join(drawn)


def analysed(analysis):
    """The tables of dejavu-stats, as they are."""
    parts = [tables.of_analysis(name, content) for name, content in analysis.tables.items() if content["rows"]]
    return "\n".join(parts) or "<p>The analysis has no tables with rows.</p>"


def failures(campaign):
    """Runs that failed, and cells that the experiment left out."""
    runs, left_out = campaign["runs"], campaign["left_out"]
    failed = runs.where(runs["outcome"] != "ok") if len(runs) else runs
    columns = ("run", "block", "application", "class_name", "ranks", "strategy", "interval_s", "fault", "reason")
    parts = [tables.of_columns("failures", "Failed runs: they are in no statistic", failed, columns)
             if len(failed) else "<p>No run failed.</p>"]
    parts.append(tables.of_columns("left-out", "Combinations that are not run", left_out, tuple(left_out))
                 if len(left_out) else "<p>No combination was left out.</p>")
    return "\n".join(parts)


def configuration(campaign):
    seed, file = (campaign.configuration.get(key, "unknown") for key in ("seed", "file"))
    return (f'<dl class="facts"><dt>Seed</dt><dd>{html.escape(seed)}</dd><dt>File</dt><dd>{html.escape(file)}</dd></dl>'
            f"<p>The experiment, byte for byte:</p><pre>{html.escape(campaign.yaml)}</pre>"
            + tables.folded("Every key with its value and where it came from", campaign["settings"],
                            ("key", "value", "source")))


def environment(campaign):
    """What the machine said, one column per session; rows that never change are said once."""
    sessions = campaign.environment()
    if not sessions:
        return "<p>The file does not say where it was made.</p>"
    keys = dict.fromkeys(key for values in sessions.values() for key in values)
    rows = []
    for key in keys:
        values = [values.get(key, "") for values in sessions.values()]
        values = values[:1] if len(set(values)) == 1 else values
        span = f' colspan="{len(sessions)}"' if len(values) < len(sessions) else ""
        rows.append([f'<th scope="row">{html.escape(key)}</th>'
                     + "".join(f'<td class="long"{span}>{html.escape(value)}</td>' for value in values)])
    head = ["<th scope=col>what</th>"] + [f"<th scope=col>session {session}</th>" for session in sessions]
    return tables.element("environment", "Where the runs were made, at the start of each session", head, rows)


SECTIONS = (
    ("summary", "Summary", lambda data: summary.section(data)),
    ("pictures", "Pictures", pictures),
    ("tables", "Tables", lambda data: analysed(data.analysis)),
    ("failures", "Failures and left-out cells", lambda data: failures(data.campaign)),
    ("configuration", "Configuration", lambda data: configuration(data.campaign)),
    ("commands", "Commands", lambda data: commands.section(data.campaign)),
    ("environment", "Environment", lambda data: environment(data.campaign)),
)


def page(data):
    """The whole page as text."""
    dark = " ".join(f"{name}: {colour};" for name, colour in look.DARK.items())
    style = (HERE / "report.css").read_text(encoding="utf-8")
    style = style.replace("/* DARK: the pictures' colours, from plots/look.py */", dark)
    campaign = data.campaign
    title = f"DejaVu campaign {html.escape(campaign.name)}"
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in SECTIONS)
    body = "\n".join(f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>\n{make(data)}\n</section>'
                     for name, heading, make in SECTIONS)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
<header><h1>{title}</h1>
<p>{html.escape(scalar(campaign.attributes.get("description", "")))}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav></header>
<main>
{body}
</main>
</body>
</html>
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", help="HDF5 file of a campaign")
    parser.add_argument("--analysis", required=True, action="append", metavar="DIR",
                        help="that dejavu-stats wrote; may be repeated")
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path, help="HTML file to write")
    options = parser.parse_args()
    try:
        text = page(picture.Data(Campaign(options.campaign), Analysis(*options.analysis)))
        temporary = options.output.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(options.output)
    except (OSError, ValueError) as error:
        print(f"report.py: error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
