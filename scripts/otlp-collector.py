"""An OTLP/HTTP collector for tests: reads each request with the classes of OpenTelemetry's own protocol files.

Prints its port first, and at the end of its input one line of JSON for each log record that it has accepted. A body that the
protocol does not know (an unknown member, a number of the wrong form) is answered with 400 and printed as {"error": …}.
With two arguments, a certificate and its key, it speaks TLS.
"""
# packages: opentelemetry-proto>=1.20,<2

import gzip
import http.server
import json
import ssl
import sys
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def records(request):
    for resource in request.resource_logs:
        shared = {item.key: plain(item.value) for item in resource.resource.attributes}
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield {
                    "resource": shared,
                    "scope": scope.scope.name,
                    "time": record.time_unix_nano,
                    "severity": record.severity_number,
                    "text": record.severity_text,
                    "body": plain(record.body),
                    "attributes": {item.key: plain(item.value) for item in record.attributes},
                }


accepted = []


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path != "/v1/logs" or self.headers["Content-Type"] != "application/json":
                raise ValueError(f"{self.path} {self.headers['Content-Type']}")
            request = json_format.Parse(body, logs_service_pb2.ExportLogsServiceRequest())
            lines, status = [json.dumps(record) for record in records(request)], 200
        except Exception as error:  # noqa: BLE001
            lines, status = [json.dumps({"error": str(error)})], 400
        accepted.extend(lines)
        answer = json_format.MessageToJson(logs_service_pb2.ExportLogsServiceResponse()).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
if len(sys.argv) == 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
print("\n".join(accepted), flush=True)
