#!/usr/bin/env python3
"""Starts a release binary on an empty data directory several times: milliseconds until /readyz answers 200, and
the memory it rests at afterwards.

    bench/cold_start.py [BINARY] [TIMES]
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_ready(url, process):
    begin = time.monotonic()
    while time.monotonic() - begin < 30:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            if urllib.request.urlopen(url, timeout=1).status == 200:
                return (time.monotonic() - begin) * 1000
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.005)
    raise SystemExit("not ready within 30 s")


def memory_of(pid):
    with open(f"/proc/{pid}/status") as status:
        rows = dict(line.split(":", 1) for line in status)
    return {name: int(rows[name].split()[0]) // 1024 for name in ("VmRSS", "RssAnon", "RssFile")}


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/jixia"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(f"{binary}: {os.path.getsize(binary) / 2**20:.1f} MiB")
    for _ in range(times):
        folder, port = tempfile.mkdtemp(), free_port()
        command = [binary, "--data-dir", folder, "--listen", f"127.0.0.1:{port}"]
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until_ready(f"http://127.0.0.1:{port}/readyz", process)
            ready = (time.monotonic() - begin) * 1000
            time.sleep(3)
            print(f"ready after {ready:.0f} ms, then", memory_of(process.pid), "MiB", flush=True)
        finally:
            process.terminate()
            process.wait(10)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
