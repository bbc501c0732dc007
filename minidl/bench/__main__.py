"""``python -m minidl.bench JOB``: what a child process runs; ``minidl bench`` starts it."""

from __future__ import annotations

import json
import sys

from minidl.bench.jobs import Job
from minidl.bench.tasks import TASKS

if __name__ == "__main__":
    job = Job(**json.loads(sys.argv[1]))
    print(json.dumps(TASKS[job.task](job)))
