"""The caches that hits are measured beside: nginx, Varnish and Traffic Server as Debian ships them. Each gets one core, one
thread for requests, memory for its objects, no access log, and everything of it in one folder."""

import os
import shutil
import socket
import subprocess
import time

from .machine import with_sbin
from .server import Client, stop

NGINX = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log warn; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  open_file_cache max=10000 inactive=300s; open_file_cache_valid 300s;
  proxy_cache_path {work}/nginx-cache keys_zone=z:100m inactive=60m use_temp_path=off;
  types {{ image/jpeg jpg; application/octet-stream bin; }}
  server {{ listen 127.0.0.1:{origin}; root {work}/www; location / {{ add_header Cache-Control "public, max-age=3600"; }} }}
  server {{ listen 127.0.0.1:{plain} backlog=4096; tcp_nopush off;
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_cache_valid 200 1h; }} }}
  server {{ listen 127.0.0.1:{nopush} backlog=4096; tcp_nopush on;
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_cache_valid 200 1h; }} }}
}}
"""

VARNISH = """vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; }}
"""

# What it would note of every request in its shared memory.
UNLOGGED = ("SessOpen SessClose Link Begin End ReqStart ReqMethod ReqURL ReqProtocol ReqHeader ReqUnset ReqAcct RespProtocol "
            "RespStatus RespReason RespHeader RespUnset VCL_call VCL_return VCL_use Hit Timestamp Length Storage").split()

# Every name of ours that differs from Debian's file, and why: one thread takes connections and requests (the limit of one
# core), the log is off, and what is in memory is served from there whatever its size.
TRAFFIC_SERVER = """
CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.task_threads INT 1
CONFIG proxy.config.cache.threads_per_disk INT 1
CONFIG proxy.config.cache.ram_cache.size INT 268435456
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.http.insert_response_via_str INT 0
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.crash_log_helper STRING NULL
"""


class Peer:
    """A server that was started here, and is stopped here."""

    def __init__(self, command, cpu, log, env=None):
        with open(log, "w") as file:
            pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
            self.process = subprocess.Popen([*pinned, *command], stdout=file, stderr=file,
                                            env={**with_sbin(), **(env or {})})
        self.pid, self.log = self.process.pid, log

    def wait_for(self, port):
        for _ in range(200):
            try:
                Client(port).socket.close()
                return
            except OSError:
                time.sleep(0.05)
        with open(self.log) as file:
            raise SystemExit(f"{self.process.args}: does not listen: {file.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)


class Nginx(Peer):
    """nginx, which is the origin of all the others too: `origin`, and its cache at `plain` and `nopush`."""

    def __init__(self, work, cpu):
        self.origin, self.plain, self.nopush = free_ports(3)
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(work=work, user=user, origin=self.origin, plain=self.plain, nopush=self.nopush)
        (work / "nginx.conf").write_text(text)
        super().__init__(["nginx", "-p", str(work), "-c", str(work / "nginx.conf")], cpu, work / "nginx.out")
        self.wait_for(self.nopush)


class Varnish(Peer):
    """Varnish: objects by malloc, one pool of threads, and nothing written to its log in shared memory."""

    def __init__(self, work, cpu, origin):
        (self.port,) = free_ports(1)
        (work / "varnish.vcl").write_text(VARNISH.format(origin=origin))
        jail = ["-j", "none"] if os.geteuid() == 0 else []
        super().__init__(["varnishd", *jail, "-F", "-n", str(work / "varnish"), "-a", f"127.0.0.1:{self.port}",
                          "-T", "none", "-f", str(work / "varnish.vcl"), "-s", "malloc,256m",
                          "-p", "thread_pools=1", "-p", "vsl_mask=" + ",".join(f"-{tag}" for tag in UNLOGGED)], cpu, work / "varnish.out")
        self.wait_for(self.port)


class TrafficServer(Peer):
    """Traffic Server: its RAM cache before a store in memory."""

    def __init__(self, work, cpu, origin):
        (self.port,) = free_ports(1)
        home = work / "ats"
        for name in ("etc", "run", "log", "cache"):
            (home / name).mkdir(parents=True)
        for name in ("ip_allow.yaml", "logging.yaml"):
            shutil.copy(f"/etc/trafficserver/{name}", home / "etc" / name)
        (home / "etc" / "records.config").write_text(TRAFFIC_SERVER.format(port=self.port))
        (home / "etc" / "remap.config").write_text(f"map / http://127.0.0.1:{origin}/\n")
        (home / "etc" / "storage.config").write_text(f"{home}/cache 256M\n")
        places = {"prefix": home, "exec_prefix": "/usr", "bindir": "/usr/bin", "sbindir": "/usr/sbin",
                  "sysconfdir": home / "etc", "datadir": home, "includedir": "/usr/include",
                  "libdir": "/usr/lib/trafficserver", "libexecdir": "/usr/lib/trafficserver/modules",
                  "localstatedir": home, "runtimedir": home / "run", "logdir": home / "log", "cachedir": home / "cache"}
        (home / "runroot.yaml").write_text("".join(f"{name}: {place}\n" for name, place in places.items()))
        super().__init__(["traffic_server"], cpu, work / "ats.out", {"TS_RUNROOT": str(home / "runroot.yaml")})
        self.wait_for(self.port)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
