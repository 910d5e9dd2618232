"""Chromium over the DevTools protocol, and the programs beside it, for scripts of this folder."""

import base64
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import websocket


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, patience=120):
    """Asks until it answers something true."""
    end = time.monotonic() + patience
    while True:
        try:
            found = what()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"browser: no answer within {patience} s")
        time.sleep(0.1)


class Programs:
    """What runs, and is ended at the end."""

    def __init__(self):
        self.running = []

    def start(self, *words, **options):
        process = subprocess.Popen([str(word) for word in words], **options)
        self.running.append(process)
        return process

    def end(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


class Chromium:
    """A page of Chromium over the DevTools protocol."""

    def __init__(self, programs, folder):
        binary = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
        if not binary:
            sys.exit("browser: chromium is missing (Debian: apt-get install chromium)")
        programs.start(
            binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--mute-audio",
            "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}", "about:blank",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = pathlib.Path(folder) / "DevToolsActivePort"
        until(lambda: port_file.exists() and "\n" in port_file.read_text())
        port = port_file.read_text().split("\n")[0]
        tabs = until(lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json")))
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        self.socket = websocket.create_connection(address, timeout=120, suppress_origin=True)
        self.number = 0
        self.events = []
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def open(self, address):
        self.events.clear()
        self.call("Page.navigate", url=address)
        end = time.monotonic() + 120
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > end:
                sys.exit(f"browser: {address} does not load")
            self.events.append(json.loads(self.socket.recv()))

    def reports(self, origin):
        """Everything that went wrong, and every request to elsewhere."""
        for event in self.events:
            method, values = event.get("method"), event.get("params", {})
            if method == "Log.entryAdded" and not re.search(r"status of (404|503)", values["entry"]["text"]):
                yield f"{values['entry']['source']}: {values['entry']['text']}"
            if method == "Runtime.exceptionThrown":
                yield f"exception: {values['exceptionDetails']['text']}"
            if method == "Network.requestWillBeSent" and not values["request"]["url"].startswith(origin):
                yield f"request to {values['request']['url'][:100]}"

    def picture(self, file):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]
        file.write_bytes(base64.b64decode(data))
