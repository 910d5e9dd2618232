#!/usr/bin/env python3
# packages: --no-deps websocket-client>=1,<2 pillow>=11,<13
"""The pictures of the README: the demo in a terminal, and the console after a day of a stream.

  pictures.py FOLDER    the programs of that folder (`make pictures`)

A simulator of X sends what is to be seen; the day before this hour is made here, and replayed through Kafka and the loader.
"""

import datetime
import html
import io
import json
import math
import os
import pathlib
import pty
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import PIL.Image
from chromium import Chromium, Programs, free_port, until

PICTURES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "pictures"
RULES = {"coffee": "coffee", "concerts": "concert", "breakfast": "breakfast"}
# Milliseconds at which the ids of tweets begin: docs/schema.md.
EPOCH = 1288834974657


def day_of_lines(rules):
    """Lines of X from the last 24 hours, fewer at night, in the order of time."""
    chance = random.Random(1)
    now = time.time()
    lines = []
    for number in range(24 * 60 * 2):
        at = now - 86_400 + number * 30
        busy = 1.2 + math.sin((datetime.datetime.fromtimestamp(at, datetime.timezone.utc).hour - 9) / 24 * 2 * math.pi)
        for _ in range(int(busy * 4 * chance.random()) + 1):
            milliseconds = int((at + 30 * chance.random()) * 1000)
            author = chance.randrange(1, 400)
            tag = chance.choices(list(rules), [6, 3, 2])[0]
            created = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
            lines.append((milliseconds, {
                "data": {
                    "id": str(((milliseconds - EPOCH) << 22) + len(lines) % 4096), "text": f"{tag} no. {len(lines)}",
                    "author_id": str(author), "created_at": created.isoformat(timespec="milliseconds")[:23] + "Z"},
                "includes": {"users": [{"id": str(author), "name": f"Reader {author}", "username": f"reader_{author}"}]},
                "matching_rules": [{"id": rules[tag], "tag": tag}]}))
    return "".join(json.dumps(line) + "\n" for _, line in sorted(lines, key=lambda pair: pair[0]))


def environment_of(programs, folder, *words):
    """Starts a part of the sandbox; the variables that it prints, without waiting for more than it prints at once."""
    part = programs.start(folder / "sandbox", *words, stdout=subprocess.PIPE, text=True)
    found = {}
    os.set_blocking(part.stdout.fileno(), False)

    def look():
        for line in part.stdout:
            if match := re.match(r"export (\w+)='(.*)'", line):
                found[match[1]] = match[2]
        return found

    until(look)
    time.sleep(0.5)
    return look()


def pipeline(programs, folder, work):
    """Both services with the simulator of X; the address of a console."""
    env = os.environ | {"JOURNAL_DIR": str(work / "journal"), "WRITERS": "1", "HEARTBEAT": "1s"}
    for words in [["x", "--rate", "5"], ["kafka"], ["postgres"]]:
        env |= environment_of(programs, folder, *words)

    def run(*words):
        return subprocess.run([folder / words[0], *words[1:]], env=env, check=True, cwd=work, capture_output=True, text=True).stdout

    run("tweet-loader", "migrate")
    for tag, value in RULES.items():
        run("tweet-producer", "rules", "add", "--tag", tag, value)
    listed = json.loads(run("tweet-producer", "rules", "list", "--json"))
    rules = {rule["tag"]: rule["id"] for rule in listed["rules"]}
    producer, loader, console = free_port(), free_port(), free_port()
    programs.start(
        folder / "tweet-producer", "run", "--listen", f"127.0.0.1:{producer}", env=env, cwd=work, stderr=subprocess.DEVNULL)
    programs.start(folder / "tweet-loader", "run", "--listen", f"127.0.0.1:{loader}", env=env, cwd=work, stderr=subprocess.DEVNULL)
    (work / "day.jsonl").write_text(day_of_lines(rules))
    run("tweet-producer", "replay", "--stream", "replayed", "day.jsonl")
    programs.start(
        folder / "tweet-loader", "console", "--console-listen", f"127.0.0.1:{console}", "--producer-url", f"http://127.0.0.1:{producer}",
        "--loader-url", f"http://127.0.0.1:{loader}", env=env, cwd=work, stderr=subprocess.DEVNULL)
    run("tweet-loader", "verify", "--wait", "120s")
    address = f"http://127.0.0.1:{console}/"
    until(lambda: b"No producer" not in urllib.request.urlopen(address).read())
    return address


def demo(folder):
    """What a terminal of 100 columns shows of the demo, shortened and without the lines that were drawn over."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [folder / "sandbox", "demo"], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=os.environ | {"COLUMNS": "100", "TERM": "xterm"})
    os.close(writer)
    output = b""
    try:
        while data := os.read(reader, 65536):
            output += data
    except OSError:
        pass  # Linux says so at the end.
    if process.wait():
        sys.exit(f"pictures: the demo failed\n{output.decode()}")
    lines = [line.rstrip("\r").split("\r")[-1] for line in output.decode().split("\n")]
    lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in lines if line.strip()]
    # The first two tables, and the end; what lies between is as long again.
    tables = [number for number, line in enumerate(lines) if line.startswith("──")]
    return lines[:tables[2]] + ["…"] + lines[-1:]


def terminal(lines):
    return (
        "<meta charset=utf-8><style>body{margin:0;background:#1d1f21;color:#e4e6e8;padding:14px 18px;width:max-content}"
        "pre{margin:0;font:13px/1.4 'DejaVu Sans Mono',monospace}</style><pre>$ make demo\n"
        + html.escape("\n".join(lines)) + "</pre>")


def take(chromium, name, width, height):
    """A picture with few colours is a small file."""
    chromium.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    file = PICTURES / f"{name}.png"
    chromium.picture(file)
    picture = PIL.Image.open(io.BytesIO(file.read_bytes())).convert("RGB").quantize(48, dither=PIL.Image.Dither.NONE)
    picture.save(file, optimize=True)
    print(f"{file}: {picture.width} x {picture.height}, {file.stat().st_size} bytes")


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    PICTURES.mkdir(parents=True, exist_ok=True)
    programs = Programs()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            work = pathlib.Path(temporary)
            shown = demo(folder)
            address = pipeline(programs, folder, work)
            chromium = Chromium(programs, work / "profile")
            (work / "demo.html").write_text(terminal(shown))
            chromium.open(f"file://{work}/demo.html")
            size = "document.body.scrollWidth + ' ' + document.body.scrollHeight"
            take(chromium, "demo", *map(int, chromium.evaluate(size).split()))
            chromium.call("Emulation.setDeviceMetricsOverride", width=1040, height=1000, deviceScaleFactor=1, mobile=False)
            chromium.open(address)
            take(chromium, "console", 1040, 1000)
    finally:
        programs.end()


main()
