"""Work in child processes, each of which ends with a verdict, whatever the example's code does to its process.

    parent                                       child
    fork                                         work(): phases, scratch folder, verdict -> page
    wait; pass signals on                        _exit
    read the page: verdict, or where it ended
    remove a scratch folder that is left

The code of an example may end its process (os._exit, a crash), close descriptors, replace print, or start threads that
run on. The page is anonymous memory that both share: nothing of that reaches it.
"""
import ctypes
import mmap
import os
import shutil
import signal
import struct
import sys

from .errors import EXIT_CAPACITY, EXIT_SIGNAL, EXIT_USAGE, Stopped
from .log import log

SCRATCH_PREFIX = "tilegraph-"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S = 5  # that a child has to end when it is told to
_PR_SET_PDEATHSIG = 1


class _Page:
    """The memory through which a child tells its parent how it goes.

    Writer: the child whose number is in it; a process that it forks writes nothing.
    """

    _HEAD = struct.Struct("=iii")  # the child's number; whether there is a verdict; the exit code
    _TEXTS = {"phase": 64, "scratch": 4096}  # offset of a text: its length, its bytes
    _LENGTH = struct.Struct("=I")
    _TEXT_BYTES = 4000

    def __init__(self):
        self._memory = mmap.mmap(-1, 16384)

    def begin(self):
        self._HEAD.pack_into(self._memory, 0, os.getpid(), 0, 0)

    def _is_mine(self):
        return self._HEAD.unpack_from(self._memory, 0)[0] == os.getpid()

    def tell(self, name, text):
        if not self._is_mine():
            return
        raw = text.encode("utf-8", "surrogateescape")[:self._TEXT_BYTES]
        at = self._TEXTS[name]
        self._LENGTH.pack_into(self._memory, at, len(raw))
        self._memory[at + 4:at + 4 + len(raw)] = raw

    def told(self, name):
        at = self._TEXTS[name]
        n = self._LENGTH.unpack_from(self._memory, at)[0]
        return self._memory[at + 4:at + 4 + n].decode("utf-8", "surrogateescape")

    def decide(self, exit_code):
        if self._is_mine():
            self._HEAD.pack_into(self._memory, 0, os.getpid(), 1, exit_code)

    def verdict(self):
        """The exit code, or None: the child has not said."""
        _, is_decided, exit_code = self._HEAD.unpack_from(self._memory, 0)
        return exit_code if is_decided else None


_page = None  # of this process, if it is a child


def phase(text, exit_code=EXIT_USAGE):
    """Say what this child does next, and the exit code for the case that its process ends there."""
    if _page is not None:
        _page.tell("phase", f"{exit_code} {text}")


def scratch(path):
    """Name the folder that the parent is to remove should this child leave it behind; "": none."""
    if _page is not None:
        _page.tell("scratch", path)


class Child:
    """A process that runs work(), which returns an exit code.

    Its streams go to the descriptor `output`, if there is one.
    """

    def __init__(self, work, output=None):
        self._page = _Page()
        self.exit_code = None  # once it has ended, as `why`
        self.why = ""          # what happened, where the child itself could not say
        self.pid = os.fork()
        if self.pid == 0:
            self._run(work, output)

    def _run(self, work, output):
        global _page
        code = EXIT_USAGE
        try:
            _page = self._page
            _page.begin()
            for number in STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, _stop)
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if output is not None:
                os.dup2(output, 1)
                os.dup2(output, 2)
                log.use_standard_streams()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            code = work()
            _flush()
            _page.decide(code)
        except Stopped as stopped:
            _page.decide(EXIT_SIGNAL + stopped.number)
        finally:
            os._exit(code)  # threads that the example has started do not hold it up

    def ended(self, status):
        """Take the status of waitpid: sets exit_code and why, and tidies up."""
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.exit_code = self._page.verdict()
        if number in STOPPING:
            self.exit_code = EXIT_SIGNAL + number
        if self.exit_code is None:
            self.exit_code, self.why = self._explain(status, number)
        elif self.exit_code > EXIT_SIGNAL:
            self.why = f"interrupted ({signal.Signals(self.exit_code - EXIT_SIGNAL).name})"
        left = self._page.told("scratch")
        if left and os.path.basename(left).startswith(SCRATCH_PREFIX):
            shutil.rmtree(left, ignore_errors=True)

    def _explain(self, status, number):
        code, _, where = (self._page.told("phase") or f"{EXIT_USAGE} start").partition(" ")
        if not number:
            return int(code), f"{where}: ended its process (exit {os.WEXITSTATUS(status)}) before there was a verdict"
        name = signal.Signals(number).name
        if number == signal.SIGKILL:
            return EXIT_CAPACITY, (f"{where}: the process was killed ({name})\n"
                                   "  hint: most often the system is out of memory: use a smaller problem")
        return int(code), f"{where}: the process crashed ({name})"


def _stop(number, _frame):
    """The handler of a child: once; while it ends it is not disturbed."""
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # whatever the example has put there
            pass


class Supervisor:
    """Starts children and waits for them. While it is entered it passes SIGINT, SIGTERM and SIGHUP on to them."""

    def __init__(self):
        self._children = {}
        self._before = {}
        self.stopped_by = 0  # the first such signal

    def __enter__(self):
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._pass_on)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._kill)
        return self

    def __exit__(self, *_):
        signal.alarm(0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _pass_on(self, number, _frame):
        if not self.stopped_by:
            self.stopped_by = number
            signal.alarm(_GRACE_S)
        self._signal(number)

    def _kill(self, _number, _frame):
        self._signal(signal.SIGKILL)

    def _signal(self, number):
        for pid in self._children:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended just now

    def start(self, work, output=None):
        """Returns a Child that runs `work`."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        child = Child(work, output)  # in the child this does not return
        self._children[child.pid] = child
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        return child

    def wait(self):
        """Returns the next Child that has ended."""
        while True:
            pid, status = os.waitpid(-1, 0)
            child = self._children.pop(pid, None)
            if child:
                child.ended(status)
                return child
