#!/usr/bin/env python3
"""Weir and PgBouncer side by side on a private PostgreSQL. bench/README.md has the questions.

Standard library only. Everything it starts lives in one temporary directory and is stopped at the
end, whatever happens.
"""

import argparse
import glob
import json
import os
import platform
import pwd
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POOL = 20
CLIENTS = 50
IDLE_CLIENTS = 4000
TICK = os.sysconf("SC_CLK_TCK")
STARTED = []


def say(text):
    print(text, file=sys.stderr, flush=True)


def die(text):
    say(f"bench: {text}")
    sys.exit(1)


def pg_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"))
    path = found[-1] if found else shutil.which("pgbench")
    if not path or not (Path(path).parent / "initdb").exists():
        die("no PostgreSQL with initdb and pgbench found")
    return Path(path).parent


def unprivileged():
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    who = pwd.getpwnam("postgres")
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(name, command, port, log, **how):
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **how)
    STARTED.append(process)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.05)
    die(f"{name} didn't start: {' '.join(map(str, command))}\n{Path(log).read_text(errors='replace')[-2000:]}")


def stop_all():
    for process in reversed(STARTED):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_s(pid):
    """utime + stime of the process with all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = pg_bin()
        self.dir = Path(tempfile.mkdtemp(prefix="weir-bench-"))
        self.who = unprivileged()
        if self.who:
            os.chown(self.dir, self.who["user"], self.who["group"])
        self.dir.chmod(0o755)

    # The three that stand side by side.

    def start_postgres(self):
        port = free_port()
        data = self.dir / "data"
        subprocess.run(
            [self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, stdout=subprocess.DEVNULL, cwd=self.dir, **self.who)
        with open(data / "postgresql.conf", "a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{self.dir}'\n"
                       "fsync = off\nmax_connections = 200\nshared_buffers = 256MB\nautovacuum = off\n")
        start("PostgreSQL", [self.bin / "postgres", "-D", data], port, self.dir / "postgres.log", cwd=self.dir, **self.who)
        self.pg_port = port
        self.pgbench(port, ["-i", "-q", "-s", str(self.args.scale)])

    def start_pgbouncer(self, mode="transaction", pool=POOL):
        exe = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(exe).exists():
            die("no pgbouncer found; on Debian: apt-get install pgbouncer")
        port = free_port()
        (self.dir / "users.txt").write_text('"postgres" ""\n')
        ini = self.dir / f"pgbouncer-{mode}.ini"
        ini.write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={self.pg_port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.dir}/users.txt\npool_mode = {mode}\n"
            f"default_pool_size = {pool}\nmax_client_conn = 5000\n"
            # pgbench -C would otherwise fill the disk, and Weir isn't asked to log connections either.
            "log_connections = 0\nlog_disconnections = 0\nignore_startup_parameters = extra_float_digits\n")
        process = start("pgbouncer", [exe, ini], port, self.dir / f"pgbouncer-{mode}.log", cwd=self.dir, **self.who)
        return process.pid, port

    def start_weir(self):
        exe, port = self.args.weir, free_port()
        upstream = f"127.0.0.1:{self.pg_port}"
        if exe.name == "bare":
            command = [exe, f"127.0.0.1:{port}", upstream, str(POOL)]
        else:
            command = [exe, "run", "--upstream", f"postgres://postgres@{upstream}/postgres", "--listen",
                       f"127.0.0.1:{port}", "--api", f"127.0.0.1:{free_port()}", "--store", self.dir / "weir.db",
                       "--pool-size", str(POOL), "--pool-mode", "transaction"]
        command += self.args.weir_arg
        process = start("Weir", command, port, self.dir / "weir.log", cwd=self.dir)
        return process.pid, port

    # How to ask.

    def pgbench(self, port, args):
        command = [self.bin / "pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", *args, "postgres"]
        out = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PGSSLMODE": "disable"})
        if out.returncode != 0:
            raise RuntimeError(f"pgbench {' '.join(args)}: {out.stderr[-1500:]}")
        return out.stdout

    def cpu_per_transaction(self, side, args, seconds):
        pid, port = side
        before = cpu_s(pid)
        said = self.pgbench(port, ["-n", "-S", *args, "-T", str(seconds)])
        spent = cpu_s(pid) - before
        done = int(re.search(r"actually processed: (\d+)", said)[1])
        failed = int((re.search(r"failed transactions: (\d+)", said) or [0, 0])[1])
        return {"cpu_us_per_transaction": spent / done * 1e6, "transactions": done, "failed": failed,
                "transactions_per_s": done / seconds}

    def latency(self, port, seconds):
        said = self.pgbench(port, ["-n", "-S", "-c", "1", "-T", str(seconds)])
        return {"latency_us": float(re.search(r"latency average = ([\d.]+)", said)[1]) * 1000}

    def rounds(self, question, sides, ask):
        """Rounds in alternating order; None where a side couldn't answer."""
        answers = {name: [] for name in sides}
        for i in range(self.args.rounds):
            for name in (list(sides) if i % 2 == 0 else list(reversed(sides))):
                try:
                    answer = ask(sides[name])
                except RuntimeError as fault:
                    say(f"  {question}: {name}: {fault}")
                    continue
                answers[name].append(answer)
                say(f"  {question}: {name}: " + ", ".join(f"{k} {v:.6g}" for k, v in answer.items()))
        return {name: summary(rows) for name, rows in answers.items()}

    def idle_memory(self, side):
        pid, port = side
        time.sleep(0.3)
        before = resident_kib(pid)
        clients = []
        for _ in range(IDLE_CLIENTS):
            client = login(port)
            query(client, b"select 1")
            clients.append(client)
        time.sleep(0.5)
        after = resident_kib(pid)
        for client in clients:
            client.close()
        time.sleep(0.5)
        return {"kib_per_client": (after - before) / IDLE_CLIENTS, "resident_kib_before": before, "resident_kib_after": after}

    def logins(self, side, seconds):
        pid, port = side
        before, began, count = cpu_s(pid), time.monotonic(), 0
        while time.monotonic() - began < seconds:
            client = login(port)
            client.sendall(b"X\0\0\0\4")
            client.close()
            count += 1
        return {"logins_per_s": count / (time.monotonic() - began), "cpu_us_per_login": (cpu_s(pid) - before) / count * 1e6}


STARTUP = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
STARTUP = struct.pack("!I", len(STARTUP) + 4) + STARTUP


def until_ready(client):
    tail = b""
    while not (len(tail) >= 6 and tail[-6:-1] == b"Z\0\0\0\5"):
        got = client.recv(8192)
        if not got:
            raise RuntimeError(f"closed: {tail!r}")
        tail = (tail + got)[-400:]


def login(port):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(STARTUP)
    until_ready(client)
    return client


def query(client, sql):
    client.sendall(b"Q" + struct.pack("!I", len(sql) + 5) + sql + b"\0")
    until_ready(client)


def summary(rows):
    if not rows:
        return None
    out = {"rounds": rows}
    for key in rows[0]:
        values = [row[key] for row in rows]
        out[key] = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return out


def ratio(answer, key):
    ours, theirs = answer.get("weir"), answer.get("pgbouncer")
    if not ours or not theirs or not theirs[key]["median"]:
        return None
    return ours[key]["median"] / theirs[key]["median"]


def shown(answer, name, key, digits=1):
    side = answer.get(name)
    if not side:
        return "no answer"
    v = side[key]
    return f"{v['median']:.{digits}f} ({v['low']:.{digits}f} to {v['high']:.{digits}f})"


def text_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = (re.search(r"model name\s*:\s*(.+)", cpuinfo) or ["", platform.machine()])[1]
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20,
            "load_before": os.getloadavg()[0]}


def markdown(result):
    answers, m, v = result["answers"], result["machine"], result["versions"]
    lines = [f"# Weir beside PgBouncer, {result['date']}", "",
             f"{m['cpu']}, {m['cores']} cores, {m['memory_mib']} MiB, Linux {m['kernel']}; load before: {m['load_before']:.1f}, "
             f"after: {m['load_after']:.1f}.  ",
             f"{v['postgresql']}; {v['pgbouncer']}; Weir at commit {result['commit']}, measured as `{result['weir']}`.  ",
             f"{result['rounds']} rounds in alternating order; median (lowest to highest). Below 1 the ratio favours Weir.", "",
             "| question | PgBouncer | Weir | ratio |", "|---|---|---|---|"]
    for key, title, field, digits in [
            ("simple", "CPU per transaction, simple, µs", "cpu_us_per_transaction", 1),
            ("extended", "CPU per transaction, extended, µs", "cpu_us_per_transaction", 1),
            ("prepared", "CPU per transaction, prepared, µs", "cpu_us_per_transaction", 1),
            ("connect", "CPU per transaction, own connection each (`-C`), µs", "cpu_us_per_transaction", 1),
            ("latency", "latency of one client, µs", "latency_us", 0),
            ("memory", f"resident memory per idle client of {IDLE_CLIENTS}, KiB", "kib_per_client", 2),
            ("logins", "logins per second, one at a time (above 1 favours Weir)", "logins_per_s", 0),
            ("logins", "CPU per login, µs", "cpu_us_per_login", 1)]:
        answer = answers.get(key)
        if not answer:
            continue
        r = ratio(answer, field)
        lines.append(f"| {title} | {shown(answer, 'pgbouncer', field, digits)} | {shown(answer, 'weir', field, digits)} "
                     f"| {'–' if r is None else f'{r:.2f}'} |")
    if answers.get("latency"):
        lines += ["", f"Straight to PostgreSQL one client waits {shown(answers['latency'], 'direct', 'latency_us', 0)} µs."]
    failed = [(q, name, side["failed"]["high"]) for q, answer in answers.items() for name, side in answer.items()
              if side and "failed" in side and side["failed"]["high"]]
    lines += ["", "## To know before quoting", ""]
    lines += [f"- {note}" for note in result["notes"]]
    lines += [f"- {name} failed {count:.0f} transactions in `{q}`." for q, name, count in failed]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most two minutes, rougher")
    parser.add_argument("--rounds", type=int, help="rounds per question (default 3)")
    parser.add_argument("--seconds", type=int, help="seconds per round of pgbench (default 10)")
    parser.add_argument("--scale", type=int, default=10, help="pgbench's scale")
    parser.add_argument("--only", help="questions, separated by commas: simple,extended,prepared,connect,latency,memory,logins")
    parser.add_argument("--out", type=Path, help="directory of the results")
    parser.add_argument("--weir-arg", action="append", default=[], help="further argument for Weir; repeatable")
    args = parser.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 3)
    args.seconds = args.seconds or (3 if args.quick else 10)
    wanted = set(args.only.split(",")) if args.only else None

    exe = os.environ.get("WEIR_EXE")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    candidates = [Path(exe)] if exe else [target / "release/weir", target / "release/examples/bare"]
    args.weir = next((c for c in candidates if c.exists()), None)
    if args.weir is None:
        die(f"no Weir to measure: none of {', '.join(map(str, candidates))} exists; cargo build --release first")
    args.weir = args.weir.resolve()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wish = max(soft, 20000 if hard == resource.RLIM_INFINITY else min(hard, 20000))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wish, hard))

    bench = Bench(args)
    result = {"schema": "weir.bench/1", "date": date.today().isoformat(), "machine": machine(),
              "commit": text_of(["git", "rev-parse", "--short", "HEAD"]) or "unknown", "weir": " ".join([args.weir.name, *args.weir_arg]),
              "rounds": args.rounds, "seconds_per_round": args.seconds, "pool": POOL, "clients": CLIENTS, "answers": {}, "notes": [],
              "versions": {"postgresql": text_of([bench.bin / "postgres", "--version"]),
                           "pgbouncer": (text_of(["pgbouncer", "--version"]) or "PgBouncer ?").splitlines()[0]}}
    if args.weir.name == "bare":
        result["notes"].append("Weir is measured without its control plane (the example `bare`).")
    try:
        bench.start_postgres()
        sides = {"pgbouncer": bench.start_pgbouncer(), "weir": bench.start_weir()}
        answers = result["answers"]

        def asked(question):
            return wanted is None or question in wanted

        # Memory first: later questions leave behind what allocators keep.
        if asked("memory"):
            if wish < IDLE_CLIENTS + 100:
                result["notes"].append(f"Memory of idle clients wasn't measured: the limit on open files is {wish}.")
            else:
                answers["memory"] = {name: summary([bench.idle_memory(side)]) for name, side in sides.items()}
                say(f"  memory: {answers['memory']}")
        for mode in ("simple", "extended", "prepared"):
            if not asked(mode):
                continue
            those = sides
            if mode == "prepared" and "1.18" in result["versions"]["pgbouncer"]:
                those = {**sides, "pgbouncer": bench.start_pgbouncer("session", CLIENTS)}
                result["notes"].append(
                    "PgBouncer 1.18 has no prepared statements in transaction mode: in `prepared` it runs in session mode with "
                    f"{CLIENTS} servers, hands nothing over, and so does less than Weir with {POOL}.")
            load = ["-M", mode, "-c", str(CLIENTS), "-j", "2"]
            answers[mode] = bench.rounds(mode, those, lambda side: bench.cpu_per_transaction(side, load, args.seconds))
        if asked("connect"):
            load = ["-C", "-c", "10", "-j", "2"]
            answers["connect"] = bench.rounds("connect", sides, lambda side: bench.cpu_per_transaction(side, load, max(3, args.seconds // 2)))
        if asked("latency"):
            those = {"direct": (0, bench.pg_port), **sides}
            answers["latency"] = bench.rounds("latency", those, lambda side: bench.latency(side[1], max(2, args.seconds // 2)))
        if asked("logins"):
            answers["logins"] = bench.rounds("logins", sides, lambda side: bench.logins(side, max(2, args.seconds // 3)))
    finally:
        stop_all()
        shutil.rmtree(bench.dir, ignore_errors=True)

    result["machine"]["load_after"] = os.getloadavg()[0]
    busiest = max(result["machine"]["load_before"], result["machine"]["load_after"])
    if result["machine"]["load_before"] > 1:
        result["notes"].append(f"The machine had other work (load {busiest:.0f} on {os.cpu_count()} cores): latency and logins per second "
                               "mean little, and processor time is dearer than on a quiet machine, for both sides alike.")
    slug = re.sub(r"[^a-z0-9]+", "-", result["machine"]["cpu"].lower()).strip("-")
    out = args.out or ROOT / "bench/results" / f"{result['date']}-{slug}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "README.md").write_text(markdown(result))
    print(markdown(result))
    say(f"written: {out}")


if __name__ == "__main__":
    main()
