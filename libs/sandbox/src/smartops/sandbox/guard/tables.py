"""Which system calls a computing process needs, by name and number.

All others are refused, so what newer kernels bring is refused too: sockets of any kind and rings
that open them, new processes and programs, signals and traces of others, changes to files, timers
that signal others, namespaces, keys, and so on. Numbers are from the kernel's `unistd` headers.
"""

from __future__ import annotations

__all__ = ["ARCHITECTURES", "FCNTL", "PRLIMIT"]

FCNTL = "fcntl"
"""Allowed with harmless commands only: with others it has the kernel send signals to anybody."""
PRLIMIT = "prlimit64"
"""Allowed for the own process only: its number is 0 then."""

_BOTH: dict[str, tuple[int, int]] = {
    "access": (21, -1),
    "alarm": (37, -1),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "dup": (32, 23),
    "dup2": (33, -1),
    "dup3": (292, 24),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    FCNTL: (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcpu": (309, 168),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getgroups": (115, 158),
    "getitimer": (36, 102),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, -1),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, -1),
    "openat": (257, 56),
    "pipe": (22, -1),
    "pipe2": (293, 59),
    "poll": (7, -1),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    PRLIMIT: (302, 261),
    "pselect6": (270, 72),
    "pwrite64": (18, 68),
    "read": (0, 63),
    "readlink": (89, -1),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "select": (23, -1),
    "setitimer": (38, 103),
    "sigaltstack": (131, 132),
    "stat": (4, -1),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, -1),
    "times": (100, 153),
    "uname": (63, 160),
    "write": (1, 64),
    "writev": (20, 66),
}
"""On x86_64 and on aarch64; -1 where there is none."""

ARCHITECTURES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (0xC000003E, {name: pair[0] for name, pair in _BOTH.items()}),
    "aarch64": (0xC00000B7, {name: pair[1] for name, pair in _BOTH.items() if pair[1] >= 0}),
}
"""How the kernel calls each architecture to a filter, and the numbers there."""
