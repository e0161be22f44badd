"""Server-sent events in lockstep: event N is acknowledged before N+1 is sent, so one that is held back ends in a time-out.
In: SIDE_URL, SIDE_CA and the proxy variables. Out: the events."""
import os

import requests

url, ca = os.environ["SIDE_URL"], os.environ["SIDE_CA"]
with requests.get(url + "/events", verify=ca, stream=True, timeout=30) as events:
    for line in events.iter_lines(chunk_size=1, decode_unicode=True):
        print(line)
        if line.startswith("id: "):
            event = line[4:]
        elif line == "":
            requests.post(f"{url}/ack/{event}", verify=ca, timeout=30).raise_for_status()
