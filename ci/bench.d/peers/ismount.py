"""Is the path, or the deepest mount above it, the right mount? As Python programs ask."""
import os
import sys
import time

path, mountpoint = sys.argv[1:]


def deepest_mount(path):
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


for line in sys.stdin:
    for _ in range(int(line) // 8):
        deepest_mount(path)
    begun = time.thread_time_ns()
    for _ in range(int(line)):
        assert deepest_mount(path) == mountpoint
    print(time.thread_time_ns() - begun, flush=True)
