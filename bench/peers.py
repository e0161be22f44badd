"""The proxies that are measured, each as its manual would have it for this work. In: a folder of the run's own, ports. Out: what to start, and
how clients reach it.

Two kinds: those that open TLS with one fixed certificate and look at nothing (nginx, haproxy: the limit in practice), and those that forge one for
each host (sslsplit, squid, mitmproxy, hudsucker, sidelight). The first and sslsplit send all to one origin; the others are explicit proxies, and
sidelight is both.
"""
import dataclasses
import pathlib
import shutil
import subprocess

ORIGIN = "127.0.0.1:443"
CERTGEN = "/usr/lib/squid/security_file_certgen"


@dataclasses.dataclass
class Peer:
    """One proxy: `{port}` in its command and files is where it listens, `{out}` a folder for what it records."""
    name: str
    command: list
    connect: bool = False  # asked by CONNECT; else everything goes to the origin
    forges: bool = True
    h2: bool = True
    h2_command: list = None  # where HTTP/2 takes other settings
    share: float = 1.0  # of the work: slow ones get less, so that a run ends
    share_bulk: float = 1.0
    share_new: float = 1.0
    ours: bool = False
    records: bool = False
    only: tuple = ()  # in these measures alone
    environment: dict = dataclasses.field(default_factory=dict)


def write(path, text, mode=0o644):
    path.write_text(text)
    path.chmod(mode)
    return path


def nginx(folder):
    head = ("daemon off; worker_processes 2; worker_rlimit_nofile 20000; user root;\n"
            f"pid {folder}/nginx-{{port}}.pid; error_log {folder}/nginx-{{port}}.log;\n"
            "events {{ worker_connections 19000; }}\n")
    ssl = f"ssl_certificate {folder}/certs/h0.bench.test.pem; ssl_certificate_key {folder}/certs/h0.bench.test.pem;"
    stream = ("include /etc/nginx/modules-enabled/*stream*.conf;\n" + head +
              f"stream {{{{ server {{{{ listen 127.0.0.1:{{port}} ssl backlog=4096; {ssl} ssl_alpn http/1.1; proxy_pass {ORIGIN};\n"
              "  proxy_ssl on; proxy_ssl_server_name on; proxy_ssl_name h0.bench.test; proxy_ssl_session_reuse off; ssl_session_cache none; }} }}\n")
    temp = "".join(f"{name}_temp_path {folder}/nginx-{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    http = (head + f"http {{{{ access_log off; {temp} keepalive_requests 10000000; upstream origin {{{{ server {ORIGIN}; keepalive 64; keepalive_requests 10000000; }}}}\n"
            f"  server {{{{ listen 127.0.0.1:{{port}} ssl http2 backlog=4096; {ssl} location / {{{{ proxy_pass https://origin; proxy_http_version 1.1;\n"
            "  proxy_set_header Connection ''; proxy_set_header Host h0.bench.test; proxy_ssl_server_name on; proxy_ssl_name h0.bench.test; }} }} }}\n")
    write(folder / "nginx-stream.conf", stream)
    write(folder / "nginx-http.conf", http)
    return Peer("nginx", ["nginx", "-c", "{conf:nginx-stream.conf}"], forges=False, h2_command=["nginx", "-c", "{conf:nginx-http.conf}"])


def haproxy(folder):
    def conf(alpn):
        return (f"global\n  maxconn 9500\n  nbthread 2\n  tune.ssl.cachesize 0\n"
                "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 300s\n  timeout server 300s\n"
                f"frontend f\n  bind 127.0.0.1:{{port}} ssl crt {folder}/certs/h0.bench.test.pem alpn {alpn} no-tls-tickets backlog 4096\n  default_backend b\n"
                f"backend b\n  server s {ORIGIN} ssl verify required ca-file {folder}/certs/ca.pem sni str(h0.bench.test) alpn {alpn} no-ssl-reuse\n")
    write(folder / "haproxy-1.cfg", conf("http/1.1"))
    write(folder / "haproxy-2.cfg", conf("h2"))
    return Peer("haproxy", ["haproxy", "-db", "-f", "{conf:haproxy-1.cfg}"], forges=False, h2_command=["haproxy", "-db", "-f", "{conf:haproxy-2.cfg}"])


def sslsplit(folder):
    return Peer("sslsplit", ["sslsplit", "-D", "-u", "root", "-k", f"{folder}/ca/ca.key", "-c", f"{folder}/ca/ca.pem", "-P",
                             "ssl", "127.0.0.1", "{port}", *ORIGIN.split(":")], h2=False, share_new=0.3)


def squid(folder):
    own = folder / "squid"
    own.mkdir()
    for name in ("ca.pem", "ca.key"):
        shutil.copy(folder / "ca" / name, own / name)
    subprocess.run([CERTGEN, "-c", "-s", own / "db", "-M", "16MB"], check=True, capture_output=True)
    write(own / "cache.log", "")
    text = (f"http_port 127.0.0.1:{{port}} ssl-bump tls-cert={own}/ca.pem tls-key={own}/ca.key generate-host-certificates=on dynamic_cert_mem_cache_size=16MB\n"
            f"sslcrtd_program {CERTGEN} -s {own}/db -M 16MB\nsslcrtd_children 2 startup=2\nacl step1 at_step SslBump1\nssl_bump peek step1\nssl_bump bump all\n"
            f"tls_outgoing_options cafile={folder}/certs/ca.pem\nhttp_access allow all\ncache deny all\naccess_log none\ncache_log {own}/cache.log\n"
            "pid_filename none\ncoredump_dir none\nvisible_hostname squid.test\nshutdown_lifetime 0 seconds\npinger_enable off\nmax_filedescriptors 20000\n"
            "dns_nameservers 127.0.0.1\nread_timeout 10 minutes\nclient_idle_pconn_timeout 10 minutes\n")
    write(folder / "squid.conf", text)
    shutil.chown(own, "proxy")
    for path in own.rglob("*"):
        shutil.chown(path, "proxy")
    return Peer("squid", ["squid", "-N", "-f", "{conf:squid.conf}"], connect=True, h2=False, share=0.4, share_bulk=0.5, share_new=0.25)


def mitmproxy(folder, program):
    conf = folder / "mitmproxy"
    conf.mkdir()
    ca = (folder / "ca" / "ca.key").read_text() + (folder / "ca" / "ca.pem").read_text()
    write(conf / "mitmproxy-ca.pem", ca)
    return Peer("mitmproxy", [program, "-q", "--listen-host", "127.0.0.1", "-p", "{port}", "--set", f"confdir={conf}", "--set",
                              f"ssl_verify_upstream_trusted_ca={folder}/certs/ca.pem"], connect=True, share=0.03, share_bulk=0.125, share_new=0.1)


def hudsucker(folder, program):
    return Peer("hudsucker", [program, "--listen", "127.0.0.1:{port}", "--ca", f"{folder}/ca", "--roots", f"{folder}/certs/ca.pem"], connect=True)


def sidelight(folder, program):
    base = [program, "proxy", "--quiet", "--roots", f"{folder}/certs/ca.pem", "--ca", f"{folder}/ca"]
    forward = [*base, "--mode", f"forward:{ORIGIN}@127.0.0.1:{{port}}"]
    explicit = [*base, "--mode", "explicit@127.0.0.1:{port}"]
    own = {"XDG_STATE_HOME": f"{folder}/state", "XDG_DATA_HOME": f"{folder}/data"}
    store, pcap = ["--store", "{out}/flows.sidelight"], ["--pcap", "{out}/flows.pcapng"]
    keep = dict(ours=True, environment=own)
    return [
        Peer("sidelight", [*forward, "--no-store"], **keep),
        Peer("sidelight, CONNECT", [*explicit, "--no-store"], connect=True, **keep),
        Peer("sidelight, store", [*forward, *store, "--on-overload", "wait"], records=True, **keep),
        Peer("sidelight, store, drop", [*forward, *store, "--on-overload", "drop"], records=True, only=("kept",), **keep),
        Peer("sidelight, store, pcap", [*forward, *store, *pcap, "--on-overload", "wait"], records=True, **keep),
    ]


def all_of(folder, programs):
    """Every peer that is there."""
    found = [nginx(folder), haproxy(folder), sslsplit(folder), squid(folder), hudsucker(folder, programs["hudsucker"])]
    if programs.get("mitmdump"):
        found.append(mitmproxy(folder, programs["mitmdump"]))
    return found + sidelight(folder, programs["sidelight"])
