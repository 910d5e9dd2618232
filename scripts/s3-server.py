"""An S3 server for the tests: moto behind a check of every signature by botocore, and with faults on demand.

Prints `listening PORT` and serves until its standard input ends. Keys: AKIDEXAMPLE / wJalrXUtnFEMI; a request with the
session token `ended` is rejected as expired.

PUT /_faults with a JSON list sets what goes wrong with the next matching requests, GET /_requests lists the requests.
"""
# packages: moto[s3,server]>=5,<6
import hashlib
import io
import json
import logging
import os
import select
import sys
import threading
import time
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI"}
lock = threading.Lock()
faults = []
requests = []


def signature_mistake(environ, body):
    """Why the request's signature is wrong; None when it is right."""
    headers = {}
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            headers[name[5:].replace("_", "-").lower()] = value
    if "CONTENT_TYPE" in environ:
        headers["content-type"] = environ["CONTENT_TYPE"]
    given = headers.get("authorization", "")
    if not given.startswith("AWS4-HMAC-SHA256 "):
        return "not signed"
    parts = dict(part.strip().split("=", 1) for part in given[17:].split(","))
    access, day, region, service, _ = parts["Credential"].split("/")
    signed = parts["SignedHeaders"].split(";")
    for name in headers:
        if (name.startswith("x-amz-") or name == "host") and name not in signed:
            return name + " is not signed"
    for name in signed:
        if name not in headers:
            return name + " is signed and not sent"
    if headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return "the body has another SHA-256"
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url="http://" + headers["host"] + environ["RAW_URI"],
        headers={name: headers[name] for name in signed},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    if access not in KEYS:
        return "no such key"
    signer = S3SigV4Auth(Credentials(access, KEYS[access]), service, region)
    canonical = signer.canonical_request(request)
    expected = signer.signature(signer.string_to_sign(request, canonical), request)
    return None if expected == parts["Signature"] else "signed otherwise:\n" + canonical


def take_fault(environ):
    with lock:
        for fault in faults:
            wanted = fault.get("method", "*")
            if wanted in ("*", environ["REQUEST_METHOD"]) and fault.get("match", "") in environ["RAW_URI"]:
                fault["count"] = fault.get("count", 1) - 1
                if fault["count"] == 0:
                    faults.remove(fault)
                return fault
    return {}


class Checked:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        path = environ["RAW_URI"]
        if path == "/_faults":
            with lock:
                faults[:] = json.loads(environ["wsgi.input"].read(length))
            start_response("204 No Content", [])
            return []
        if path == "/_requests":
            start_response("200 OK", [("Content-Type", "application/json")])
            with lock:
                return [json.dumps(requests).encode()]
        fault = take_fault(environ)
        if fault.get("early"):
            # Before the body was read, as a proxy with a limit does.
            start_response(fault["early"], [("Connection", "close"), ("Content-Length", "0")])
            return []
        body = environ["wsgi.input"].read(length)
        # A client that was killed meanwhile has not sent all of it.
        mistake = "cut short" if len(body) < length else signature_mistake(environ, body)
        with lock:
            requests.append({"method": environ["REQUEST_METHOD"], "path": path, "mistake": mistake,
                             "headers": {k[5:].lower(): v for k, v in environ.items() if k.startswith("HTTP_")}})
        if "delay" in fault:
            time.sleep(fault["delay"])
        if "status" in fault:
            text = fault.get("body", "<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>")
            start_response(fault["status"], list(fault.get("headers", {}).items()) + [
                ("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            return [text.encode()] if environ["REQUEST_METHOD"] != "HEAD" else []
        if mistake is None and environ.get("HTTP_X_AMZ_SECURITY_TOKEN") == "ended":
            mistake = "ended"
        if mistake is not None:
            code = "ExpiredToken" if mistake == "ended" else "SignatureDoesNotMatch"
            text = f"<Error><Code>{code}</Code><Message>refused</Message></Error>".encode()
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
            return [text] if environ["REQUEST_METHOD"] != "HEAD" else []
        if fault.get("damage"):
            # A store that takes the bytes and keeps others.
            body = bytes([body[0] ^ 1]) + body[1:]
            environ.pop("HTTP_X_AMZ_CHECKSUM_SHA256", None)
        if fault.get("forget"):
            environ.pop("HTTP_X_AMZ_CHECKSUM_SHA256", None)
        host = environ["HTTP_HOST"].split(":")[0]
        if host.endswith(".s3.localhost"):
            bucket = host[: -len(".s3.localhost")]
            environ["PATH_INFO"] = "/" + bucket + environ["PATH_INFO"]
            environ["RAW_URI"] = environ["REQUEST_URI"] = "/" + bucket + path
            environ["HTTP_HOST"] = "127.0.0.1"
        environ["wsgi.input"] = io.BytesIO(body)
        hide = fault.get("hide", "").lower()

        def start(status, headers, exc_info=None):
            return start_response(status, [h for h in headers if h[0].lower() != hide or not hide], exc_info)

        return self.app(environ, start)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *arguments):
        pass


logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
server = make_server("127.0.0.1", 0, Checked(DomainDispatcherApplication(create_backend_app)), threaded=True,
                     request_handler=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", server.server_port, flush=True)
# The parent's end is the second sign: another child of it may hold the pipe open.
parent = os.getppid()
while os.getppid() == parent and not (select.select([sys.stdin], [], [], 1)[0] and not sys.stdin.read(1)):
    pass
