"""X's page of a login, its token endpoint and /2/users/me, by RFC 6749 and RFC 7636, without the simulator's code.

Prints its port. A confidential client's secret is the first argument; without one the client is public.
"""

import base64
import hashlib
import json
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

CLIENT = "sandbox-client"
SECRET = sys.argv[1] if len(sys.argv) > 1 else None
logins = {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/i/oauth2/authorize":
            wanted = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256"}
            if any(query.get(name) != value for name, value in wanted.items()):
                return self.answer(400, {"error": "invalid_request"})
            if set(query["scope"].split(" ")) != {"tweet.read", "users.read", "offline.access"}:
                return self.answer(400, {"error": "invalid_scope"})
            if not 43 <= len(query["code_challenge"]) <= 128 or len(query["state"]) < 16:
                return self.answer(400, {"error": "invalid_request"})
            logins["the-code"] = (query["code_challenge"], query["redirect_uri"])
            parts = urllib.parse.urlencode({"state": query["state"], "code": "the-code"})
            return self.answer(302, {}, [("Location", query["redirect_uri"] + "?" + parts)])
        if url.path == "/2/users/me" and self.headers["Authorization"] == "Bearer the-access-token":
            return self.answer(200, {"data": {"id": "31", "name": "Thirty-one", "username": "thirtyone"}})
        return self.answer(401, {"title": "Unauthorized", "status": 401})

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.path != "/2/oauth2/token" or not self.is_client(form):
            return self.answer(401, {"error": "unauthorized_client", "error_description": "Missing valid authorization header"})
        if self.headers["Content-Type"].split(";")[0] != "application/x-www-form-urlencoded":
            return self.answer(400, {"error": "invalid_request"})
        challenge, redirect = logins.pop(form.get("code", ""), (None, None))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if form.get("grant_type") != "authorization_code" or made != challenge or form.get("redirect_uri") != redirect:
            return self.answer(400, {"error": "invalid_grant"})
        return self.answer(200, {
            "token_type": "bearer", "expires_in": 7200, "access_token": "the-access-token",
            "refresh_token": "the-refresh-token", "scope": "tweet.read users.read offline.access"})

    def is_client(self, form):
        header = self.headers["Authorization"]
        if SECRET is None:
            return header is None and form.get("client_id") == CLIENT
        return header == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
