"""Gives a task, waits until it is done, saves the result: python3 bot.py "a task" result.zip"""
import json, os, sys, urllib.request as http

SERVER = os.environ.get("CAGENT_SERVER", "http://127.0.0.1:8000")
KEY = os.environ.get("CAGENT_API_KEY")  # where the server asks for one
HEADERS = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})

def call(path, body=None):
    return http.urlopen(http.Request(SERVER + path, body and json.dumps(body).encode(), HEADERS)).read()

job = json.loads(call("/schedule", {"prompt": sys.argv[1]}))["job_id"]
while not (status := json.loads(call(f"/status/{job}?wait=60")))["reason"]:
    print(job, status["status"], "waits for you" if status["waiting"] else "")
print(job, status["status"], status["summary"] or status["reason"])
open(sys.argv[2], "wb").write(call(f"/download/{job}"))
