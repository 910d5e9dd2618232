# packages: oauthlib>=3,<4
"""Signs requests with oauthlib, one JSON object a line on standard input, and prints the header `Authorization` of each."""

import json
import sys

from oauthlib.oauth1 import Client

for line in sys.stdin:
    request = json.loads(line)
    client = Client(
        request["consumer_key"], client_secret=request["consumer_secret"], resource_owner_key=request["token"],
        resource_owner_secret=request["token_secret"], nonce=request["nonce"], timestamp=request["timestamp"])
    _, headers, _ = client.sign(request["url"], http_method=request["method"])
    print(headers["Authorization"])
