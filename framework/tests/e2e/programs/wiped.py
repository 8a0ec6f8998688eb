"""Memory of which, from the file `half` on, the second half is not for children (MADV_WIPEONFORK). Ends with the file `end`,
if all of it is as it was written. usage: wiped.py"""
import mmap
import os
import sys
import time

BYTES = 1 << 20
MADV_WIPEONFORK = 18  # not among Python's constants


def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.01)


memory = mmap.mmap(-1, BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory[:] = b"1" * BYTES
print("ready", flush=True)
wait_for("half")
memory.madvise(MADV_WIPEONFORK, BYTES // 2, BYTES // 2)
memory[:] = b"2" * BYTES
print("wiped", flush=True)
wait_for("end")
sys.exit(memory[:] != b"2" * BYTES)
