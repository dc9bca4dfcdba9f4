"""Runs each driver script direct, and through Weir in session and transaction mode, and compares.

    target/venv/bin/python tests/drivers/run.py target/release/weir

Needs a PostgreSQL (PATH, /usr/lib/postgresql, target/pg). Exit code 1 where an output differs.
"""

import difflib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def pg_bin():
    places = [Path(p) for p in os.environ.get("PATH", "").split(":")]
    debian = Path("/usr/lib/postgresql")
    if debian.is_dir():
        places += [d / "bin" for d in sorted(debian.iterdir(), key=lambda d: float(d.name) if d.name.replace(".", "").isdigit() else 0, reverse=True)]
    places.append(ROOT / "target/pg/bin")
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return (place / "postgres").resolve().parent
    sys.exit("no PostgreSQL found: install one, or run scripts/fetch-postgres.sh target/pg")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A private server in a temporary directory. As root it runs as postgres or nobody."""

    def __init__(self):
        self.bin = pg_bin()
        self.dir = Path(tempfile.mkdtemp(prefix="weir-drivers-", dir="/tmp"))
        self.port = free_port()
        self.user = {}
        if os.getuid() == 0:
            name = next(n for n in ("postgres", "nobody") if any(p.pw_name == n for p in pwd.getpwall()))
            who = pwd.getpwnam(name)
            os.chown(self.dir, who.pw_uid, who.pw_gid)
            self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            probe = subprocess.run([self.bin / "postgres", "--version"], cwd="/", capture_output=True, **self.user) if os.access(self.bin, os.X_OK) else None
            if probe is None or probe.returncode != 0:
                copy = self.dir / "programs"
                shutil.copytree(self.bin.parent, copy, symlinks=False)
                subprocess.run(["chmod", "-R", "go+rX", copy], check=True)
                self.bin = copy / "bin"
        self.process = None

    def __enter__(self):
        data = self.dir / "data"
        subprocess.run(
            [self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--no-locale"],
            cwd="/", check=True, stdout=subprocess.DEVNULL, **self.user,
        )
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.dir, "fsync": "off", "max_connections": 50}
        args = [a for k, v in settings.items() for a in ("-c", f"{k}={v}")]
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", data, *args],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user,
        )
        import psycopg

        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres").close()
                return self
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(3)  # SIGQUIT: at once
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Weir:
    """Weir on a free port."""

    def __init__(self, binary, upstream, mode):
        self.log = tempfile.NamedTemporaryFile("r", prefix="weir-drivers-", suffix=".log")
        self.process = subprocess.Popen(
            [binary, "run", "--upstream", f"postgres://postgres@127.0.0.1:{upstream}/postgres", "--listen", "127.0.0.1:0",
             "--api", "off", "--store", "none", "--pool-size", "4", "--pool-mode", mode],
            stderr=open(self.log.name, "w"), stdout=subprocess.DEVNULL,
        )

    def __enter__(self):
        deadline = time.monotonic() + 20
        while True:
            found = re.search(r"listen=127\.0\.0\.1:(\d+)", Path(self.log.name).read_text())
            if found:
                self.port = int(found.group(1))
                return self
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"Weir didn't start: {Path(self.log.name).read_text()}")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def told(script, port):
    done = subprocess.run(
        [sys.executable, script, f"host=127.0.0.1 port={port} user=postgres dbname=postgres"],
        capture_output=True, text=True, timeout=120,
    )
    # What libraries warn of on standard error depends on timing; a traceback counts.
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main():
    binary = Path(sys.argv[1]).resolve()
    bad = 0
    with Postgres() as pg:
        for script in sorted(HERE.glob("*_session.py")):
            code, direct = told(script, pg.port)
            if code != 0:
                sys.exit(f"{script.name} fails against PostgreSQL itself:\n{direct}")
            for mode in ("session", "transaction"):
                with Weir(binary, pg.port, mode) as weir:
                    _, pooled = told(script, weir.port)
                if pooled == direct:
                    print(f"{script.name}, {mode} mode: the same {len(direct.splitlines())} lines as direct")
                    continue
                bad += 1
                print(f"{script.name}, {mode} mode: differs from direct")
                lines = difflib.unified_diff(direct.splitlines(), pooled.splitlines(), "direct", mode, lineterm="", n=1)
                print("\n".join(lines))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
