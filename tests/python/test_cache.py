"""What is kept between commands, who is trusted, and when an object is compiled again."""
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import PACKAGES, VECTOR_KERNELS, assert_failed, assert_passed
from tilegraph import cache as caching
from tilegraph import compile as compiling
from tilegraph.cache import Cache


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def opened(home):
    return Cache.open({"XDG_CACHE_HOME": str(home)})


# ---- the folder ------------------------------------------------------------------------------------------------------

def test_entries_come_back(home):
    cache = opened(home)
    assert cache.read("x") is None
    cache.write("x", b"first")
    cache.write("x", b"second")
    assert cache.read("x") == b"second" and opened(home).read("x") == b"second"
    assert stat.S_IMODE((home / "tilegraph").stat().st_mode) == 0o700
    assert [path.name for path in (home / "tilegraph").iterdir()] == ["x"]


def test_the_folder_is_where_the_variables_say(tmp_path):
    Cache.open({"HOME": str(tmp_path), "XDG_CACHE_HOME": "relative"}).write("x", b"1")
    assert (tmp_path / ".cache" / "tilegraph" / "x").exists()
    assert Cache.open({}) is None and Cache.open({"HOME": "relative"}) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_not_used(home, mode):
    opened(home).write("x", b"1")
    (home / "tilegraph").chmod(mode)
    assert opened(home) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_belongs_to_another_user_is_not_used(home):
    opened(home).write("x", b"1")
    os.chown(home / "tilegraph" / "x", 12345, 12345)
    assert opened(home).read("x") is None
    os.chown(home / "tilegraph", 12345, 12345)
    assert opened(home) is None


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("harm", [
    damage,
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(b""),
    lambda path: path.chmod(0o620),
    lambda path: (path.unlink(), os.mkfifo(path)),
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: (path.rename(path.with_name("y")), path.symlink_to("y")),
])
def test_entries_that_are_not_to_be_trusted_are_none(home, harm):
    cache = opened(home)
    cache.write("x", b"content")
    harm(home / "tilegraph" / "x")
    assert cache.read("x") is None


def test_a_cache_that_cannot_be_written_is_no_error(home, tmp_path):
    home.write_text("a file")
    assert opened(home) is None
    other = opened(tmp_path)
    (tmp_path / "tilegraph" / "x").mkdir()
    other.write("x", b"1")
    assert other.read("x") is None
    assert [path.name for path in (tmp_path / "tilegraph").iterdir()] == ["x"]


def test_a_limit_of_file_sizes_leaves_nothing_half_written(home):
    program = ("import resource, sys; sys.path.insert(0, sys.argv[1]); from tilegraph.cache import Cache\n"
               "cache = Cache.open({'XDG_CACHE_HOME': sys.argv[2]})\n"
               "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
               "cache.write('large', bytes(5000)); cache.write('small', bytes(500))\n")
    subprocess.run([sys.executable, "-c", program, str(PACKAGES), str(home)], check=True)
    assert [path.name for path in (home / "tilegraph").iterdir()] == ["small"]
    assert opened(home).read("small") == bytes(500)


def test_the_least_recently_used_go_first(home, monkeypatch):
    cache = opened(home)
    for age, name in enumerate(["used", "old", "new"]):
        cache.write(name, bytes(1000))
        os.utime(home / "tilegraph" / name, ns=(age * 10**9, age * 10**9))
    cache.read("used")
    monkeypatch.setattr(caching, "MOST_BYTES", 3500)
    cache.write("newest", bytes(1000))
    assert sorted(path.name for path in (home / "tilegraph").iterdir()) == ["newest", "used"]


def test_what_a_killed_writer_left_is_removed(home):
    cache = opened(home)
    left = home / "tilegraph" / ".new-1-x"
    fresh = home / "tilegraph" / ".new-2-x"
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (0, 0))
    cache.write("x", b"1")
    assert not left.exists() and fresh.exists()


def test_many_writers_of_one_entry(home):
    contents = [bytes([n]) * 100_000 for n in range(8)]

    def work(n):
        cache = opened(home)
        for _ in range(20):
            cache.write("x", contents[n])
            assert cache.read("x") in contents
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [path.name for path in (home / "tilegraph").iterdir()] == ["x"]


# ---- objects ---------------------------------------------------------------------------------------------------------

def from_cache(done):
    """How many objects a command has taken out of the cache."""
    assert_passed(done)
    line = next(line for line in done.stderr.splitlines() if "from the cache" in line)
    return int(line.split(" from the cache")[0].split()[-1])


@pytest.fixture
def own(small, home):
    """The small example with a kernel and a header of its own, and a cache of its own."""
    shutil.copy(VECTOR_KERNELS / "aiv" / "aiv_add.c", small.kernels / "kernel.c")
    source = (small.kernels / "kernel.c").read_text()
    (small.kernels / "kernel.c").write_text('#include "own.h"\n' + source)
    (small.kernels / "own.h").write_text("enum { OWN = 1 };\n")
    small.write(config=small.config(kernel="kernel.c"))
    for path in small.kernels.iterdir():
        os.utime(path, (1, 1))
    settled(small)

    def run(*options, **variables):
        return small.run(*options, **{"XDG_CACHE_HOME": str(home), **variables})
    small.again = run
    return small


def settled(small):
    """Wait until the files are older than a compiler that starts now can tell."""
    probe = small.folder / "probe"
    newest = max(path.stat().st_ctime_ns for path in small.kernels.iterdir())
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns > newest + 50_000_000:
            return
        probe.unlink()


def test_what_has_been_compiled_is_not_compiled_again(own):
    assert from_cache(own.again()) == 0
    assert from_cache(own.again()) == 2
    assert from_cache(own.again("--no-check")) == 0  # other flags
    assert from_cache(own.again(CC="gcc -O1")) == 0
    assert from_cache(own.again()) == 2


@pytest.mark.parametrize("change", [
    lambda folder: (folder / "kernel.c").write_text((folder / "kernel.c").read_text() + "\n"),
    lambda folder: (folder / "own.h").write_text("enum { OWN = 2 };\n"),
    lambda folder: (folder / "tilegraph").mkdir(),  # a header may lie in it, and be found first
])
def test_a_change_of_what_is_read_compiles_again(own, change):
    from_cache(own.again())
    change(own.kernels)
    settled(own)
    assert from_cache(own.again()) < 2
    assert from_cache(own.again()) == 2


def test_a_header_that_changes_the_result_changes_it(own):
    source = (own.kernels / "kernel.c").read_text().replace("TADD(", "OP(")
    (own.kernels / "kernel.c").write_text(source)
    (own.kernels / "own.h").write_text("#define OP TADD\n")
    settled(own)
    assert_passed(own.again())
    (own.kernels / "own.h").write_text("#define OP TSUB\n")
    assert_failed(own.again(), 1, "differs from the golden")


def test_text_that_depends_on_the_day_is_not_kept(own):
    (own.kernels / "own.h").write_text("static const char *const made = __DATE__;\n")
    settled(own)
    own.again()
    assert from_cache(own.again()) == 1  # the orchestration


def test_warnings_are_kept_with_the_object(own):
    (own.kernels / "own.h").write_text("#warning look here\n")
    settled(own)
    for _ in range(2):
        assert "look here" in own.again().stderr
    assert from_cache(own.again()) == 2


def test_another_compiler_of_that_name_compiles_again(own, tmp_path):
    wrapper = tmp_path / "mycc"
    wrapper.write_text('#!/bin/sh\nexec gcc "$@"\n')
    wrapper.chmod(0o755)
    assert from_cache(own.again(CC=str(wrapper))) == 0
    assert from_cache(own.again(CC=str(wrapper))) == 2
    wrapper.write_text('#!/bin/sh\nexec gcc -O1 "$@"\n')
    assert from_cache(own.again(CC=str(wrapper))) == 0


@pytest.mark.parametrize("options", ["-march=native", "-fplugin=none", "@file", "-specs=x", "-B."])
def test_options_of_which_the_object_depends_otherwise_are_not_cached(options):
    assert compiling._identity(["gcc", options]) is None
    assert compiling._identity(["gcc", "-O2"]) is not None


def test_commands_at_once_share_a_cache(own):
    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(lambda _: own.again(), range(4)):
            assert_passed(done)
    assert from_cache(own.again()) == 2


def test_a_cache_that_others_can_write_is_told(own, home):
    from_cache(own.again())
    (home / "tilegraph").chmod(0o777)
    done = own.again()
    assert from_cache(done) == 0 and "nothing is cached" in done.stderr
