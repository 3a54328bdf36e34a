"""Keeps costly results by name between commands, in a folder of the user's own.

The folder is tilegraph/ in XDG_CACHE_HOME, else in ~/.cache. An entry is one file: a checksum of its content, then the
content. It appears complete, by a rename. A file that is damaged, or that somebody else could have written, is no
entry.
Nothing depends on an entry: what cannot be kept is made again.
"""
import errno
import os
import stat
import time
import zlib

from .log import log

MOST_BYTES = 256 << 20  # of all entries; the least recently used go first
_AFTER_TRIM = 0.8       # of MOST_BYTES
_CHECKSUM_BYTES = 4
_TEMPORARY = ".new-"
_ABANDONED_S = 3600     # the age of a temporary file that no process writes any more


class Cache:
    """The open folder. Threads and processes may use one folder at once."""

    def __init__(self, fd, path):
        self._fd, self.path = fd, path

    @classmethod
    def open(cls, environ, quiet=False):
        """The user's cache; None where there is no folder that only this user can write. `quiet`: without a word."""
        home = environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(home):
            home = os.path.join(environ.get("HOME", ""), ".cache")
        if not os.path.isabs(home):
            return None
        path = os.path.join(home, "tilegraph")
        try:
            os.makedirs(path, 0o700, exist_ok=True)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            log.debug("nothing is cached: %s: %s", path, error.strerror)
            return None
        if not _is_ours(os.fstat(fd)):
            os.close(fd)
            if not quiet:
                log.warning("nothing is cached: %s belongs to another user, or others can write it\n"
                            "  hint: chmod 700 it, or set XDG_CACHE_HOME to a folder of your own", path)
            return None
        return cls(fd, path)

    def __del__(self):
        os.close(self._fd)

    def read(self, name):
        """The content of the entry `name` (a file name), or None."""
        try:
            # O_NONBLOCK: whatever has that name, opening it does not hang.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:
            return None
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or not _is_ours(info):
                return None
            with open(fd, "rb", closefd=False) as file:
                raw = file.read()
            os.utime(fd)  # used just now
        except OSError:
            return None
        finally:
            os.close(fd)
        content = raw[_CHECKSUM_BYTES:]
        return content if _checksum(content) == raw[:_CHECKSUM_BYTES] else None

    def write(self, name, content):
        """Keep `content` (bytes) as `name`, in the place of what is there. Says at level debug that it cannot."""
        temporary = f"{_TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
            try:
                with open(fd, "wb") as file:
                    file.write(_checksum(content))
                    file.write(content)
                os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except BaseException:
                os.unlink(temporary, dir_fd=self._fd)
                raise
            self._trim()
        except OSError as error:
            log.debug("not cached in %s: %s", self.path, error.strerror)

    def _trim(self):
        """Remove the least recently used entries above MOST_BYTES, and temporary files that writers have abandoned."""
        entries = []
        for name in os.listdir(self._fd):
            try:
                info = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # another process trims, too
            if not name.startswith(_TEMPORARY):
                entries.append((info.st_mtime_ns, info.st_size, name))
            elif time.time() - info.st_mtime > _ABANDONED_S:
                self._remove(name)
        total = sum(size for _, size, _ in entries)
        if total <= MOST_BYTES:
            return
        for _, size, name in sorted(entries):
            self._remove(name)
            total -= size
            if total <= MOST_BYTES * _AFTER_TRIM:
                return

    def _remove(self, name):
        try:
            os.unlink(name, dir_fd=self._fd)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EISDIR, errno.EPERM):
                raise


def _checksum(content):
    """Finds damage; who could forge it could write the folder."""
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def _is_ours(info):
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
