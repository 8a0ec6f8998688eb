#!/usr/bin/python3
"""Looks at reports in headless Chromium: pictures are there and not empty, nothing overflows, nothing is complained about.

usage: test_browser.py [REPORT.html ...]    without arguments: that of the made-up campaign (fixture.py)

Each page is shown in frames of several widths (a browser's window cannot be made as narrow as a phone), where a script of the
frame's owner measures it. The browser reaches no network; what a page would load or do wrong is on its console.
Exit status 77 if there is no Chromium.
"""

import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WIDTHS = (390, 820, 1280)
LIMIT_S = 90
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=20000")
MEASURE = """
function measure(frame) {
  const page = frame.contentDocument, root = page.documentElement;
  const beyond = [...page.body.querySelectorAll('*')].filter(e => !e.closest('.scroll, pre, details:not([open])') &&
      !e.matches('.skip') && e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.tagName + '.' + e.className);
  return {width: root.clientWidth, needed: root.scrollWidth, beyond: beyond.slice(0, 5), title: page.title,
    background: getComputedStyle(page.body).backgroundColor,
    pictures: [...page.querySelectorAll('figure')].map(figure => {
      const svg = figure.querySelector('svg'), box = svg.getBBox(), shown = svg.getBoundingClientRect();
      const axes = [...svg.querySelectorAll('g[id*="axes_"]')].map(g => g.getBBox()).filter(b => b.width > 40 && b.height > 30);
      const marks = svg.querySelectorAll('g[id*="axes_"] use, g[id*="axes_"] path').length;
      return {name: figure.id, width: box.width, height: box.height, shown: shown.width, axes: axes.length, marks: marks,
              texts: [...svg.querySelectorAll('text')].filter(t => t.getBBox().width > 0).length,
              caption: figure.querySelector('figcaption').textContent.length};
    })};
}
window.addEventListener('load', () => {
  const found = [...document.querySelectorAll('iframe')].map(measure);
  const out = document.createElement('pre');
  out.id = 'found';
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
"""


def measured(page, directory):
    """What the browser says of the page at each width, and what it complained about."""
    frames = "".join(f'<iframe width="{width}" height="800" style="border:0" srcdoc="{html.escape(page)}"></iframe>'
                     for width in WIDTHS)
    owner = directory / "owner.html"
    owner.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>t</title><body>{frames}<script>{MEASURE}</script>",
                     encoding="utf-8")
    with tempfile.TemporaryDirectory(dir=directory, ignore_cleanup_errors=True) as profile:
        done = subprocess.run([shutil.which("chromium"), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", owner.as_uri()],
                              capture_output=True, text=True, timeout=LIMIT_S, env={"HOME": profile, "PATH": "/usr/bin:/bin"})
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    result = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    if not result:
        sys.exit(f"chromium did not finish the page (exit status {done.returncode}):\n{done.stderr[-2000:]}")
    return json.loads(html.unescape(result.group(1))), console


def faults(page, directory):
    """Sentences that say what is wrong with the page."""
    expected = len(re.findall("<figure", page))
    found, console = measured(page, directory)
    yield from (f"on the console: {line}" for line in console)
    for width, view in zip(WIDTHS, found):
        if view["width"] != width or view["needed"] > width:
            yield f"at {width} px: {view['needed']} px are needed; beyond the edge: {view['beyond']}"
        if view["beyond"]:
            yield f"at {width} px: beyond the edge: {view['beyond']}"
        if len(view["pictures"]) != expected:
            yield f"at {width} px: {len(view['pictures'])} pictures of {expected}"
        for picture in view["pictures"]:
            if min(picture["width"], picture["height"], picture["shown"]) < 100 or not picture["axes"] \
                    or picture["marks"] < 15 or picture["texts"] < 4 or picture["caption"] < 20:
                yield f"at {width} px: a picture is empty: {picture}"
    print(f"{found[0]['title']}: {expected} pictures at {', '.join(map(str, WIDTHS))} px")


def main():
    if not shutil.which("chromium"):
        print("no chromium here (Debian package chromium): how reports look was not tested")
        return 77
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        pages = [pathlib.Path(argument) for argument in sys.argv[1:]]
        if not pages:
            subprocess.run([HERE / "fixture.py", directory], check=True, timeout=60)
            pages = [directory / "fixture.html"]
            subprocess.run([HERE.parent / "report.py", directory / "fixture.h5", "--analysis", directory, "-o", pages[0]],
                           check=True, timeout=120)
        wrong = [f"{page}: {fault}" for page in pages for fault in faults(page.read_text(encoding="utf-8"), directory)]
    print("\n".join(wrong) or "as they should be")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
