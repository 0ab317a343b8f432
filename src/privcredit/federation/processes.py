"""Starting a federation's nodes as processes of this machine, and stopping them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from privcredit.errors import UnavailableError
from privcredit.federation.node import RECORDING_VARIABLE

READY_SECONDS = 90.0
"""Nine nodes on two cores build their power tables at 3072 bits within a quarter of this."""

STOP_SECONDS = 10.0

LOG_FILE = "node.log"
TAIL_CHARACTERS = 1500


class Node:
    """One node process. Its log goes to `node.log` in its directory."""

    def __init__(self, directory: Path, recording: Path | None = None) -> None:
        self.directory = directory
        self.name = directory.name
        self._recording = recording
        self._ready: queue.Queue[dict[str, object] | None] = queue.Queue()
        self._process = self._spawn()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def _spawn(self) -> "subprocess.Popen[str]":
        environment = dict(os.environ)
        if self._recording is not None:
            environment[RECORDING_VARIABLE] = str(self._recording)
        with (self.directory / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "privcredit", "node", "serve", str(self.directory)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        return process

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        """Read standard output to its end; its first line says that the node is ready."""
        if process.stdout is not None:
            for line in process.stdout:
                self._ready.put(json.loads(line))
        self._ready.put(None)

    def wait_until_ready(self, deadline: float) -> None:
        """Return when the node serves. Raises UnavailableError with the end of its log."""
        try:
            announced = self._ready.get(timeout=max(0.1, deadline - time.monotonic()))
        except queue.Empty:
            announced = None
        if announced is None:
            raise UnavailableError(f"Node {self.name} did not start; the end of its log:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Return the end of the node's log."""
        return (self.directory / LOG_FILE).read_text(errors="replace")[-TAIL_CHARACTERS:]

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process without warning."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Hang the process (SIGSTOP); `resume` undoes it."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hung process go on."""
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Start the node anew after it ended, and wait until it serves."""
        self._ready = queue.Queue()
        self._process = self._spawn()
        self.wait_until_ready(time.monotonic() + READY_SECONDS)

    def terminate(self) -> None:
        """Ask the process to finish."""
        if self.is_running():
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()

    def wait(self) -> None:
        """Wait until the process has ended; kill it if it does not."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Nodes:
    """All nodes of a federation; leaving the `with` block stops them."""

    def __init__(self, directories: Iterable[Path], recordings: Path | None = None) -> None:
        self._nodes = {
            directory.name: Node(directory, recordings / f"{directory.name}.jsonl" if recordings else None)
            for directory in directories
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def by_name(self) -> Mapping[str, Node]:
        """All nodes."""
        return self._nodes

    def wait_until_ready(self, progress: Callable[[str], None] = lambda _name: None) -> None:
        """Return when all nodes serve. Raises UnavailableError naming the one that does not."""
        deadline = time.monotonic() + READY_SECONDS
        for name, node in self._nodes.items():
            node.wait_until_ready(deadline)
            progress(name)

    def stop(self) -> None:
        """Stop all nodes."""
        for node in self._nodes.values():
            node.terminate()
        for node in self._nodes.values():
            node.wait()
