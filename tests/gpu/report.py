#!/usr/bin/env python3
"""Makes the report of `make gpu-test`: OUT.json and OUT.md from lines of checks, states of programs, and
what doctor said of the device. Standard library only.

    report.py OUT LINES STATES DEVICE COMMIT
"""
import json
import os
import sys

out, lines, states, device, commit = sys.argv[1:]


def rows(path):
    try:
        with open(path) as f:
            for line in f:
                try:
                    yield json.loads(line)
                except ValueError:
                    pass  # cut in the middle by a crash
    except OSError:
        pass


checks = list(rows(lines))
programs = list(rows(states))
try:
    about = json.loads(device)
except ValueError:
    about = {"device": device}
about["commit"] = commit
with open(out + ".json.new", "w") as f:
    json.dump({"about": about, "programs": programs, "checks": checks}, f, indent=0)
os.replace(out + ".json.new", out + ".json")  # whole, whoever is killed now

worst = {}
for c in checks:
    key = (c["suite"], c["backend"], c["check"].split()[0] if c["suite"] == "ops" else c["check"])
    w = worst.setdefault(key, {"count": 0, "failed": 0, "error": 0.0, "bound": c["bound"], "why": ""})
    w["count"] += 1
    w["failed"] += not c["passed"]
    if c["error"] is None or c["error"] > w["error"]:
        w["error"] = float("nan") if c["error"] is None else c["error"]
        w["bound"] = c["bound"]
    if not c["passed"]:
        w["why"] = c["why"]

with open(out + ".md", "w") as f:
    f.write("# gpu-test\n\n")
    for key, value in about.items():
        f.write(f"- {key}: {value}\n")
    f.write("\n| program | seconds | ended |\n|---|---|---|\n")
    for p in programs:
        f.write(f"| {p['program']} | {p['seconds']} | {p['status']} |\n")
    f.write("\n| suite | backend | check | cases | failed | worst error | its bound | |\n|---|---|---|---|---|---|---|---|\n")
    for (suite, backend, check), w in worst.items():
        f.write(f"| {suite} | {backend} | {check} | {w['count']} | {w['failed']} | {w['error']:.2g} | "
                f"{w['bound']:.2g} | {w['why']} |\n")

failed = sum(not c["passed"] for c in checks) + sum(p["status"] not in (0, "left out") for p in programs)
print(f"{sum(c['passed'] for c in checks)} passed, {failed} failed, "
      f"{sum(p['status'] == 'left out' for p in programs)} skipped")
sys.exit(failed > 0)
