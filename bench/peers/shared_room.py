#!/usr/bin/env python3
"""Makes a room with an invitation on a running server and prints jixia.toml so that every user of the load generator
joins it first: fan-out among several users instead of several connections of one.

    shared_room.py http://127.0.0.1:8600 > shared.toml
    loadgen fanout --target shared.toml --room-calls shared_room --users 8 …
"""
import json
import pathlib
import sys
import time
import urllib.request

BASE = sys.argv[1].rstrip("/")


def post(path, body, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"]


person = {"email": f"bench{time.time_ns()}@example.com", "password": "Passw0rd-peers"}
token = post("/api/auth/register", person)["token"]
settings = {"turnStrategy": "manual", "maxMembers": 500}
room = post("/api/rooms", {"name": "bench", "settings": settings}, token)["room"]["roomId"]
code = post(f"/api/rooms/{room}/invite", {}, token)["inviteCode"]
target = pathlib.Path(__file__).with_name("jixia.toml").read_text()
target = target.replace('addr = "127.0.0.1:8600"', f'addr = "{BASE.removeprefix("http://")}"')
target = target.replace('login = ["register"]', 'login = ["register", "enter"]')
print(target + f"""
[vars]
shared = "{room}"

[call.enter]
method = "POST"
path = "/api/rooms/{{shared}}/join"
body = '{{"inviteCode":"{code}"}}'
headers = {{ authorization = "Bearer {{token}}" }}

[call.shared_room]
path = "/api/rooms/{{shared}}"
headers = {{ authorization = "Bearer {{token}}" }}
take = {{ room = "/data/room/roomId" }}
""", end="")
