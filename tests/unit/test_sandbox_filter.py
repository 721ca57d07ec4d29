"""The filter of system calls, run by an interpreter of its language, for both architectures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from smartops.sandbox.guard.seccomp import Instruction, program
from smartops.sandbox.guard.tables import ARCHITECTURES, FCNTL, PRLIMIT

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x0005000D
MACHINES = list(ARCHITECTURES)

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
"""The kernel's own lists; the second one is what aarch64 uses, on whatever machine it lies."""


def verdict(
    filter_: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int] = ()
) -> int:
    given = [*arguments, *[0] * (6 - len(arguments))]
    data = number.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    data += b"".join((value % 2**64).to_bytes(8, "little") for value in given)
    loaded, at = 0, 0
    while True:
        code, if_true, if_false, constant = filter_[at]
        at += 1
        if code == 0x20:
            loaded = int.from_bytes(data[constant : constant + 4], "little")
        elif code == 0x15:
            at += if_true if loaded == constant else if_false
        elif code == 0x06:
            return constant
        else:
            raise AssertionError(code)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_computing_needs_passes_and_nothing_else_does(machine: str) -> None:
    architecture, numbers = ARCHITECTURES[machine]
    allowed = set(numbers.values())
    filter_ = program(machine)
    for number in range(1024):
        expected = ALLOW if number in allowed else REFUSE
        assert verdict(filter_, architecture, number) == expected, number
        # The 32-bit door of x86_64 is a bit in the number.
        assert verdict(filter_, architecture, number | 0x40000000) == REFUSE


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_by_another_architecture_kills(machine: str) -> None:
    filter_ = program(machine)
    others = {0x40000003, 0x40000028, *(code for code, _ in ARCHITECTURES.values())}
    for other in others - {ARCHITECTURES[machine][0]}:
        assert verdict(filter_, other, ARCHITECTURES[machine][1]["read"]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_two_calls_pass_with_harmless_arguments_only(machine: str) -> None:
    architecture, numbers = ARCHITECTURES[machine]
    filter_ = program(machine)
    for command in range(2048):
        harmless = command in (0, 1, 2, 3, 1030)  # F_SETOWN is 8, F_SETSIG 10, F_SETFL 4.
        found = verdict(filter_, architecture, numbers[FCNTL], (5, command))
        assert found == (ALLOW if harmless else REFUSE), command
    assert verdict(filter_, architecture, numbers[PRLIMIT], (0, 7)) == ALLOW
    for process in (1, -1, 4321, 2**31):
        assert verdict(filter_, architecture, numbers[PRLIMIT], (process, 7)) == REFUSE


def test_an_architecture_without_a_table_has_no_filter() -> None:
    with pytest.raises(OSError, match="riscv64"):
        program("riscv64")


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header = HEADERS[machine]
    if not header.is_file():
        pytest.skip(f"{header} is not there (package linux-libc-dev)")
    text = header.read_text()
    kernels = {
        name: int(number)
        for name, number in re.findall(
            r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", text, re.MULTILINE
        )
    }
    renamed = {"newfstatat": "fstatat"}  # The generic list has some names of its own.
    for name, number in ARCHITECTURES[machine][1].items():
        known = kernels.get(name, kernels.get(renamed.get(name, name)))
        assert known == number, name


def test_no_call_that_reaches_others_is_in_the_tables() -> None:
    reaching = (
        "socket", "connect", "sendto", "io_uring_setup", "clone", "clone3", "fork", "vfork",
        "execve", "kill", "tgkill", "ptrace", "process_vm_readv", "unshare", "setns", "mount",
        "openat2", "ioctl", "unlinkat", "renameat2", "mkdirat", "prctl", "seccomp", "bpf",
        "timer_create", "pidfd_open", "memfd_create", "shmget", "keyctl", "userfaultfd",
    )  # fmt: skip
    for _, numbers in ARCHITECTURES.values():
        assert not set(reaching) & set(numbers)
