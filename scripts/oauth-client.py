# packages: requests-oauthlib>=2,<3
"""Logs in to the simulator of X with requests-oauthlib: authorization code with PKCE, a call, a refresh, and a spent token."""

import os
import sys

import requests

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
from oauthlib.oauth2 import OAuth2Error  # noqa: E402
from requests_oauthlib import OAuth2Session  # noqa: E402

base, client, secret = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
scope = ["tweet.read", "users.read", "offline.access"]
endpoint = base + "/2/oauth2/token"
session = OAuth2Session(client, redirect_uri="http://127.0.0.1:8723/callback", scope=scope, pkce="S256")
url, _ = session.authorization_url(base + "/i/oauth2/authorize")
location = requests.get(url, allow_redirects=False).headers["Location"]
app = {"client_secret": secret, "include_client_id": False} if secret else {"include_client_id": True}
first = session.fetch_token(endpoint, authorization_response=location, **app)
print("id", session.get(base + "/2/users/me").json()["data"]["id"])
auth = (client, secret) if secret else None
public = {} if secret else {"client_id": client}
second = session.refresh_token(endpoint, refresh_token=first["refresh_token"], auth=auth, **public)
assert second["refresh_token"] != first["refresh_token"] and second["access_token"] != first["access_token"]
print("refreshed", session.get(base + "/2/users/me").status_code)
try:
    session.refresh_token(endpoint, refresh_token=first["refresh_token"], auth=auth, **public)
except OAuth2Error as error:
    print("spent", error.error)
