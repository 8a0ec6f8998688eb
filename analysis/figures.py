#!/usr/bin/python3
"""Draws the pictures of a campaign, for a paper (PDF) or on their own (SVG).

usage: figures.py CAMPAIGN.h5 --analysis DIR [--analysis DIR ...] -o DIR [--format pdf|svg] [--look column|page|report] [NAME ...]

Each picture becomes DIR/<name>.<format>; its caption and description DIR/captions.json. What cannot be drawn is said.
"""

import argparse
import json
import pathlib
import sys

from plots import look, measured, picture, predicted
from plots.campaign import Analysis, Campaign

LOOKS = {"column": look.COLUMN, "page": look.PAGE, "report": look.REPORT}
PICTURES = measured.PICTURES + predicted.PICTURES


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", help="HDF5 file of a campaign")
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures to draw; default: all")
    parser.add_argument("--analysis", required=True, action="append", metavar="DIR",
                        help="that dejavu-stats wrote; may be repeated")
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path, help="directory for the pictures")
    parser.add_argument("--format", choices=("pdf", "svg"), default="svg")
    parser.add_argument("--look", choices=LOOKS, default="report", help="width and size of text")
    return parser.parse_intermixed_args()


def main():
    options = arguments()
    known = {function.__name__.replace("_", "-"): function for function in PICTURES}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        sys.exit(f"figures.py: no picture is called {', '.join(unknown)}; there are {', '.join(known)}")
    data = picture.Data(Campaign(options.campaign), Analysis(*options.analysis))
    options.output.mkdir(parents=True, exist_ok=True)
    captions = {}
    for drawn in picture.draw([known[name] for name in options.names or known], data, LOOKS[options.look]):
        if isinstance(drawn, picture.NoPicture):
            print(f"figures.py: {drawn.name} is not drawn: {drawn.reason}", file=sys.stderr)
            continue
        path = options.output / f"{drawn.name}.{options.format}"
        if options.format == "pdf":
            look.to_pdf(drawn.figure, path)
        else:
            path.write_text(look.to_svg(drawn.figure, drawn.name, drawn.title, drawn.alt), encoding="utf-8")
        captions[drawn.name] = {"title": drawn.title, "caption": drawn.caption, "alt": drawn.alt}
        print(path)
    (options.output / "captions.json").write_text(json.dumps(captions, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"figures.py: {error}")
