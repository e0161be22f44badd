"""Speaks with a registry as its specification allows, also in ways that docker and skopeo do not. In: HOST:PORT, a CA file, and what to do:
push, pull or both at once by two clients; the proxy variables. Out: exit status 0 if every answer was as expected."""

import hashlib
import json
import sys
import threading
import urllib.parse

import requests

HOST, CA, WHAT = sys.argv[1:4]
BASE = f"https://{HOST}"
OCI = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Client:
    """One client: asks for a token per scope as the challenge says."""

    def __init__(self, agent):
        self.session = requests.Session()
        self.session.verify = CA
        self.session.headers["User-Agent"] = agent
        self.token = None

    def ask(self, method, path, expected, **more):
        url = path if path.startswith("http") else BASE + path
        fields = more.pop("headers", {})
        for last in (False, True):
            if self.token:
                fields["Authorization"] = "Bearer " + self.token
            answer = self.session.request(method, url, headers=fields, timeout=60, **more)
            if answer.status_code != 401 or last:
                break
            challenge = requests.utils.parse_dict_header(answer.headers["WWW-Authenticate"].split(" ", 1)[1])
            asked = {"service": challenge["service"], "scope": challenge["scope"].split(" ")}
            granted = self.session.get(challenge["realm"], params=asked, timeout=60)
            assert granted.status_code == 200, f"{challenge}: {granted.status_code} {granted.text[:500]}"
            self.token = granted.json()["token"]
        assert answer.status_code == expected, f"{method} {url}: {answer.status_code} {answer.text[:500]}"
        return answer

    def upload(self, name):
        return self.ask("POST", f"/v2/{name}/blobs/uploads/", 202).headers["Location"]

    def in_one_piece(self, name, content):
        place = self.upload(name)
        self.ask("PUT", place + "&digest=" + urllib.parse.quote(digest(content)), 201, data=content)

    def in_chunks(self, name, content, size):
        place = self.upload(name)
        for start in range(0, len(content), size):
            piece = content[start:start + size]
            fields = {"Content-Range": f"{start}-{start + len(piece) - 1}", "Content-Type": "application/octet-stream"}
            place = self.ask("PATCH", place, 202, data=piece, headers=fields).headers["Location"]
        self.ask("PUT", place + "&digest=" + urllib.parse.quote(digest(content)), 201)
        self.ask("HEAD", f"/v2/{name}/blobs/{digest(content)}", 200)


def image(name, seed):
    """A configuration, two layers, a manifest."""
    layers = [bytes([seed]) * 1000, hashlib.sha256(name.encode()).digest() * 8192]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}})
    config = config.encode() + b" " * seed
    part = lambda content, kind: {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(content), "size": len(content)}
    manifest = {"schemaVersion": 2, "mediaType": OCI, "config": part(config, "config.v1+json"),
                "layers": [part(layer, "layer.v1.tar") for layer in layers]}
    return config, layers, json.dumps(manifest).encode()


def push(agent, name, seed):
    client = Client(agent)
    config, layers, manifest = image(name, seed)
    client.ask("HEAD", f"/v2/{name}/blobs/{digest(layers[0])}", 404)
    client.in_one_piece(name, layers[0])
    client.in_chunks(name, layers[1], 100_000)
    client.in_one_piece(name, config)
    client.ask("PUT", f"/v2/{name}/manifests/1", 201, data=manifest, headers={"Content-Type": OCI})
    # Into another repository without sending it again; then an upload that is given up.
    client.token = None
    other = name + "-copy"
    mount = f"/v2/{other}/blobs/uploads/?mount={urllib.parse.quote(digest(layers[0]))}&from={urllib.parse.quote(name, safe='')}"
    client.token = Client.token_for(client, other, name)
    client.ask("POST", mount, 201)
    place = client.upload(other)
    client.ask("GET", place, 204)
    client.ask("DELETE", place, 204)


def token_for(client, *names):
    """A token for several repositories, as a mount needs it."""
    answer = client.session.get(BASE + "/v2/", timeout=60)
    challenge = requests.utils.parse_dict_header(answer.headers["WWW-Authenticate"].split(" ", 1)[1])
    scopes = [f"repository:{name}:{'pull,push' if at == 0 else 'pull'}" for at, name in enumerate(names)]
    granted = client.session.get(challenge["realm"], params={"service": challenge["service"], "scope": scopes}, timeout=60)
    return granted.json()["token"]


Client.token_for = staticmethod(token_for)


def pull(agent, name, seed, rest=True):
    client = Client(agent)
    config, layers, manifest = image(name, seed)
    client.ask("HEAD", f"/v2/{name}/manifests/1", 200, headers={"Accept": OCI})
    got = client.ask("GET", f"/v2/{name}/manifests/{digest(manifest)}", 200, headers={"Accept": OCI})
    assert got.content == manifest
    assert client.ask("GET", f"/v2/{name}/blobs/{digest(config)}", 200).content == config
    for layer in layers:
        whole, half = f"/v2/{name}/blobs/{digest(layer)}", len(layer) // 2
        first = client.ask("GET", whole, 206, headers={"Range": f"bytes=0-{half - 1}"})
        second = client.ask("GET", whole, 206, headers={"Range": f"bytes={half}-"})
        assert first.content + second.content == layer
    if rest:
        assert client.ask("GET", f"/v2/{name}/referrers/{digest(manifest)}", 200).json()["manifests"]
        assert client.ask("GET", f"/v2/{name}/tags/list", 200).json()["tags"] == ["1"]


def delete(agent, name, seed):
    client = Client(agent)
    _, layers, manifest = image(name, seed)
    client.ask("DELETE", f"/v2/{name}/manifests/{digest(manifest)}", 202)
    client.ask("DELETE", f"/v2/{name}/blobs/{digest(layers[0])}", 202)
    client.ask("GET", f"/v2/{name}/manifests/{digest(manifest)}", 404)


def beside(*tasks):
    failures = []

    def guarded(task, *arguments):
        try:
            task(*arguments)
        except BaseException as problem:  # What a thread raises is lost otherwise.
            failures.append(problem)

    threads = [threading.Thread(target=guarded, args=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


if WHAT == "digests":  # Of the layers, in order, for those who look at what was seen.
    print("\n".join(digest(layer) for layer in image(*sys.argv[4:5], int(sys.argv[5]))[1]))
elif WHAT == "push":
    push("oras/1.2.0", "team/one", 1)
elif WHAT == "pull":
    pull("regclient/regctl (v0.8.0)", "team/one", 1)
elif WHAT == "delete":
    delete("crane/0.20", "team/one", 1)
elif WHAT == "beside":
    beside((push, "oras/1.2.0", "team/two", 2), (push, "crane/0.20", "team/three", 3))
    beside((pull, "oras/1.2.0", "team/two", 2, False), (pull, "crane/0.20", "team/three", 3, False))
