#!/usr/bin/env python3
# Of axe-playwright-python only axe.min.js is used, so what it depends on is not installed.
# packages: --no-deps websocket-client>=1,<2 html5lib>=1,<2 six>=1,<2 webencodings<1 axe-playwright-python>=0.1,<1
"""The pages of `tweet-loader console` in Chromium, with hostile and with harmless data (scripts/browser-data.sql).

  browser.py FOLDER    the programs sandbox and tweet-loader of that folder

Fails when a page has one element or attribute more with hostile data (html5lib and Chromium), when a script of the data has run,
when the browser reports anything (CSP, network, script), when axe-core finds anything, or when a page is wider than the screen.
"""

import itertools
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import axe_playwright_python
import html5lib
from chromium import Chromium, Programs, free_port, until

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES = ROOT / ".build" / "browser" / "pictures"
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
HARMLESS = "harmless 2"
HOSTILE = '"\u0301 onmouseover="document.title=1" x="'

# An hour from now: a window that does not move while the pages are read, with all tweets of the data in it.
WINDOW = "window=24h&until=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
PAGES = [
    "/", "/?window=7d", "/rules", "/rules?rule=1", "/rules?tag=", "/gaps", "/gaps?window=30d", "/rejects", "/rejects?id=1",
    "/rejects?reason=", "/tweets?" + WINDOW, f"/tweets?{WINDOW}&text=", f"/tweets?{WINDOW}&user=", "/tweets?until=x", "/explain", "/explain?id=20", "/explain?id=x", "/timelines",
    "/tail", "/export", "/export?rule=", "/nowhere",
]
# What the address bar holds is hostile as well.
FOREIGN = [page for page in PAGES if page.endswith("=")]
WIDTHS = [(1040, 900), (390, 844)]
problems = []


def problem(text):
    problems.append(text)
    print(f"  {text}", flush=True)


STRUCTURE = """[...document.querySelectorAll('*')].filter(e => !e.closest('.clock')).map(e =>
    e.localName + ' ' + e.getAttributeNames().sort().join(' ') + (e.getAttribute('class') ? ' .' + e.className : '')
).join('\\n').replaceAll('[object SVGAnimatedString]', '')"""


def structure(html):
    """Elements with their attributes as html5lib reads them."""
    tree = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    return [f"{element.tag} {' '.join(sorted(element.attrib))}" for element in tree.iter() if isinstance(element.tag, str)]


def differences(first, second):
    for one, other in itertools.zip_longest(first, second):
        if one != other:
            return f"{one!r} and {other!r}"
    return None


def address(base, page, word):
    return base + page + (urllib.parse.quote(word) if page in FOREIGN else "")


def served(base, page, word):
    try:
        with urllib.request.urlopen(address(base, page, word), timeout=120) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def start_consoles(programs, folder):
    """PostgreSQL with two databases, and a console for each."""
    postgres = programs.start(folder / "sandbox", "postgres", stdout=subprocess.PIPE, text=True)
    first = re.search(r"'(.*)'", postgres.stdout.readline()).group(1)
    superuser = re.search(r"'(.*?)'", postgres.stdout.readline()).group(1)
    result = {}
    for hostile in [0, 1]:
        name = ["harmless", "hostile"][hostile]
        subprocess.run(["psql", "-qX", superuser, "-c", f"CREATE DATABASE {name} OWNER tweets"], check=True)
        url = first.rsplit("/", 1)[0] + "/" + name
        subprocess.run([folder / "tweet-loader", "migrate", "--database", url], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            ["psql", "-qXAt", url, "-v", f"hostile={hostile}", "-f", ROOT / "scripts" / "browser-data.sql"], check=True,
            stdout=subprocess.DEVNULL)
        port = free_port()
        programs.start(
            folder / "tweet-loader", "console", "--database", url, "--console-listen", f"127.0.0.1:{port}",
            "--console-timeout", "30s", "--producer-url", "off", "--loader-url", "off", stderr=subprocess.DEVNULL)
        base = f"http://127.0.0.1:{port}"
        until(lambda: urllib.request.urlopen(base + "/livez").read() == b"ok\n")
        result[name] = base
    return result


def compare_markup(bases):
    for page in PAGES:
        for _ in range(2):  # Between the two an hour may have begun.
            harmless = structure(served(bases["harmless"], page, HARMLESS))
            hostile = structure(served(bases["hostile"], page, HOSTILE))
            found = differences(harmless, hostile)
            if not found:
                break
        if found:
            problem(f"{page}: hostile data changes the page: {found}")


def judge(chromium, base, page, scheme, width, with_script):
    name = f"{page} {width} {scheme}{'' if with_script else ' without JavaScript'}"
    chromium.call("Emulation.setScriptExecutionDisabled", value=not with_script)
    chromium.open(address(base, page, HOSTILE))
    for report in chromium.reports(base):
        problem(f"{name}: {report}")
    if not chromium.evaluate("document.title").endswith(" – tweet-pipeline"):
        problem(f"{name}: the title is {chromium.evaluate('document.title')!r}")
    wide = chromium.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        problem(f"{name}: {wide} pixels wider than the screen")
    file = re.sub(r"\W+", "-", page.replace(WINDOW, "")).strip("-") or "overview"
    chromium.picture(PICTURES / f"{file}-{width}-{scheme}{'' if with_script else '-noscript'}.png")
    if with_script:
        found = chromium.evaluate(
            AXE + ";axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
            "v => v.id + ' (' + v.impact + '): ' + v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3).join(' | ')))")
        for violation in found:
            problem(f"{name}: axe: {violation}")


def judge_all(chromium, bases):
    for (width, height), scheme in itertools.product(WIDTHS, ["light", "dark"]):
        chromium.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for page in PAGES:
            judge(chromium, bases["hostile"], page, scheme, width, True)
            if scheme == "light":
                judge(chromium, bases["hostile"], page, scheme, width, False)
    chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    for page in PAGES:
        chromium.open(address(bases["harmless"], page, HARMLESS))
        harmless = chromium.evaluate(STRUCTURE).split("\n")
        chromium.open(address(bases["hostile"], page, HOSTILE))
        found = differences(harmless, chromium.evaluate(STRUCTURE).split("\n"))
        if found:
            problem(f"{page}: hostile data changes the page in Chromium: {found}")


def press(chromium, key, code):
    for kind in ["keyDown", "keyUp"]:
        text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
        chromium.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)


def judge_keyboard_and_script(chromium, base):
    """The first key leads to the content; the script loads the page again, unless it is paused."""
    chromium.open(base + "/tail")
    press(chromium, "Tab", 9)
    if chromium.evaluate("document.activeElement.className") != "skip":
        problem("the first tabulator does not reach the link to the content")
    press(chromium, "Enter", 13)
    if not chromium.evaluate("location.hash === '#main'"):
        problem("the link to the content does not lead there")
    chromium.open(base + "/tail")
    mark = "document.querySelector('main h1').setAttribute('data-old', '')"
    chromium.evaluate(mark)
    until(lambda: chromium.evaluate("document.querySelector('main h1[data-old]') === null"))
    chromium.evaluate("document.querySelector('.clock button').click()")
    chromium.evaluate(mark)
    time.sleep(5)
    if chromium.evaluate("document.querySelector('main h1[data-old]') === null"):
        problem("a paused page is loaded again")


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    PICTURES.mkdir(parents=True, exist_ok=True)
    programs = Programs()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            bases = start_consoles(programs, folder)
            compare_markup(bases)
            chromium = Chromium(programs, profile)
            judge_all(chromium, bases)
            judge_keyboard_and_script(chromium, bases["hostile"])
    finally:
        programs.end()
    looks = len(PAGES) * (len(WIDTHS) * 3)
    print(f"browser: {len(PAGES)} pages, {looks} looks, pictures in {PICTURES.relative_to(ROOT)}: {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
