"""Is it mounted? As Python programs ask."""
import os
import sys
import time

for line in sys.stdin:
    begun = time.thread_time_ns()
    for _ in range(int(line)):
        assert os.path.ismount(sys.argv[1])
    print(time.thread_time_ns() - begun, flush=True)
