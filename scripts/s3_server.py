#!/usr/bin/env python3
"""Runs a command beside an S3 server of its own on loopback, for tests of remote stores.

    python3 scripts/s3_server.py run -- COMMAND…    starts the server, runs COMMAND, stops the server
    python3 scripts/s3_server.py install            only installs the server

The server is moto's, from PyPI, in a folder of its own below the target folder; Python 3 with pip is all it needs.
COMMAND finds TACQ_S3_BUCKET, an empty bucket, TACQ_S3_ENDPOINT, and the AWS_… variables that lead there. Exits as
COMMAND does, with 3 if the server cannot be installed or started.
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
from pathlib import Path

# Newer versions may do; this one was tried.
REQUIREMENT = "moto[server]==5.2.5"
BUCKET = "tacq-test"
READY_SECS = 60


def environment_folder() -> Path:
    """Where the server is installed."""
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("CARGO_TARGET_DIR") or root / "target") / "s3-server"


def install(folder: Path) -> None:
    """Installs the server if it is not there. A kill leaves no mark, so the next call begins anew."""
    mark = folder / "installed"
    if mark.is_file() and mark.read_text() == REQUIREMENT:
        return
    print(f"installing {REQUIREMENT} into {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["--target", str(folder), REQUIREMENT],
        check=True,
    )
    mark.write_text(REQUIREMENT)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_ready(server: subprocess.Popen, endpoint: str) -> None:
    """Makes the bucket, as soon as the server answers."""
    until = time.monotonic() + READY_SECS
    while True:
        try:
            request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
            urllib.request.urlopen(request, timeout=5).close()
            return
        except (urllib.error.URLError, OSError) as error:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server does not answer at {endpoint}: {error}") from error
            time.sleep(0.1)


def run(command: list[str]) -> int:
    """Runs a command beside a server."""
    folder = environment_folder()
    install(folder)
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(server, endpoint)
            variables = {
                "TACQ_S3_ENDPOINT": endpoint,
                "TACQ_S3_BUCKET": BUCKET,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "NO_PROXY": "127.0.0.1",
            }
            return subprocess.run(command, env={**os.environ, **variables}).returncode
        except RuntimeError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def main(arguments: list[str]) -> int:
    """The command line."""
    try:
        if arguments == ["install"]:
            install(environment_folder())
            return 0
        if arguments[:2] == ["run", "--"] and len(arguments) > 2:
            return run(arguments[2:])
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        print(f"s3_server.py: {error}", file=sys.stderr)
        return 3
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
