"""The Ray engine: `mner` commands as tasks of a Ray cluster, repeated where a worker or a node is lost."""

import contextlib
import io
import logging
import os
import runpy
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mner_keras.errors import InputError
from mner_keras.papers.runner import start_process

RETRIES = 20  # of a task whose worker or node was lost
PORT = "6379"  # of a cluster's head, by default
CONNECT_SECONDS = 10
LOCK_SECONDS = 60  # for the process that a repeated task replaces; Ray may notice a lost node before its workers do
_PASSED_ON = ("KERAS_BACKEND", "KERAS_HOME", "MNER_CACHE", "NLTK_DATA", "TF_CPP_MIN_LOG_LEVEL", "XLA_FLAGS")


@contextlib.contextmanager
def open_engine(name: str, jobs: int, address: str = "") -> Iterator[Callable[[Sequence[str], Path], Any]]:
    """Yield the function that starts `mner ARGUMENTS` with a file to add its output to, as `start_process` does.

    A command runs inside Ray's worker, in a process of its own: whatever ends the worker ends the command, and releases
    its locks. The commands themselves continue where they stopped, so a task that is repeated loses little.

    Args:
        name: `local` for processes of this machine, `ray` for a Ray cluster. All its nodes must see the same files.
        jobs: the number of commands at once. In a cluster, each gets an equal share of the CPUs, and a GPU if there are
            enough for all; too few CPUs raise `InputError`.
        address: `HOST` or `HOST:PORT` of the cluster's head; empty to start Ray on this machine.
    """
    if name != "ray":
        if address:
            raise InputError("`--address` names a Ray cluster: add `--engine ray`")
        with _ends_interrupt():
            yield start_process
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError("`--engine ray` needs Ray: pip install 'mner-keras[ray]'") from None
    host, _, port = address.partition(":")
    port = port or PORT
    try:
        if address:  # Ray itself waits a minute for a host that does not answer
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        place = f"{host}:{port}" if address else "local"
        ray.init(place, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"expected a Ray cluster at {address or 'this machine'} ({_reason(error)})") from None
    try:
        cpus, gpus = share([node["Resources"] for node in ray.nodes() if node["Alive"]], jobs)
        # One call per worker: TensorFlow's settings and Keras' random state belong to a process.
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_calls=1, max_retries=RETRIES)(run_command)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}

        def start(arguments: Sequence[str], log: Path) -> _RayCommand:
            log.touch()
            return _RayCommand(ray, task.remote(list(arguments), str(log), os.getcwd(), environment), log)

        with contextlib.redirect_stdout(_Notices()), _ends_interrupt():  # Ray catches these signals, too
            yield start
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _ends_interrupt() -> Iterator[None]:
    """Let closing the terminal or ending a batch job interrupt the command, like Ctrl-C."""
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in ends}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


class _Notices(io.TextIOBase):
    """Passes the first line of each of Ray's notices to the error stream; Ray prints whole logs to standard output."""

    def write(self, text: str) -> int:
        if line := text.strip().partition("\n")[0]:
            print(line[:200], file=sys.stderr, flush=True)
        return len(text)


class _RayCommand:
    """A command that runs in the cluster, with the methods of a `subprocess.Popen` that `run_all` uses."""

    def __init__(self, ray: Any, result: Any, log: Path) -> None:
        self._ray, self._result, self._log = ray, result, log
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and self._ray.wait([self._result], timeout=0)[0]:
            try:
                self.returncode = self._ray.get(self._result)
            except self._ray.exceptions.RayError as error:
                with open(self._log, "a", encoding="utf-8") as log:
                    log.write(f"Ray: {_reason(error)}\n")
                self.returncode = 1
        return self.returncode

    def send_signal(self, number: int) -> None:
        self._ray.cancel(self._result)

    def kill(self) -> None:
        self._ray.cancel(self._result, force=True)


def share(nodes: Sequence[Mapping[str, float]], jobs: int) -> tuple[int, int]:
    """Return the CPUs and GPUs that each of `jobs` commands can have, given each node's resources."""
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    gpus = [int(node.get("GPU", 0)) for node in nodes]

    def fit(size: int, gpu: int) -> int:
        return sum(min(n // size, g if gpu else n) for n, g in zip(cpus, gpus, strict=True))

    if fit(1, 0) < jobs:  # Ray would wait for more of them without a word
        raise InputError(
            f"`--jobs {jobs}` needs {jobs} CPUs in the Ray cluster, found {sum(cpus)} on {len(nodes)} "
            f"node{'s' * (len(nodes) > 1)}: use --jobs {max(sum(cpus), 1)}, or add nodes with `ray start`"
        )
    gpu = int(fit(1, 1) >= jobs)
    return max(size for size in range(1, max(cpus) + 1) if fit(size, gpu) >= jobs), gpu


def run_command(arguments: list[str], log: str, folder: str, environment: dict[str, str]) -> int:
    """Run `mner ARGUMENTS` in this process, which is Ray's worker, and return its exit code."""
    os.environ.update(environment)
    os.chdir(folder)
    os.makedirs(os.path.dirname(log), exist_ok=True)  # for tags in an object store, each node has its own
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Timeout):  # the command itself will say what is locked
            stack.enter_context(FileLock(f"{log}.lock", timeout=LOCK_SECONDS))
            stack.callback(os.unlink, f"{log}.lock")
        file = stack.enter_context(open(log, "a", encoding="utf-8", buffering=1))
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        sys.argv = ["mner", *arguments]
        try:
            runpy.run_module("mner_keras", run_name="__main__")
            return 0
        except SystemExit as end:
            return int(end.code or 0)
        except Exception:  # noqa: BLE001 (the log gets the traceback, as from another process)
            traceback.print_exc()
            return 1


def _reason(error: BaseException) -> str:
    """Return the last line of an error; in Ray's, the ones before it are a worker's traceback."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
