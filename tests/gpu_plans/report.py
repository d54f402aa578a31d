#!/usr/bin/env python3
"""What plans.sh saw. Standard library only.

    report.py part NAME STATUS FOLDER   one part as a line of JSON
    report.py all PARTS.jsonl OUT.md    the table of all, and the sum of what passed
"""
import json
import sys


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


def part(name, status, folder):
    said = list(rows(f"{folder}/{name}.out"))
    log = list(rows(f"{folder}/{name}.log"))
    out = {"part": name, "status": int(status), "error": "it told nothing", **(said[-1] if said else {})}
    plans = [r for r in log if r["kind"] == "plan"]
    made = [r for r in plans if r["made"]]
    out["graphs"] = len({r["shape"] for r in log if r["kind"] == "proposals"})
    out["unanswered"] = sorted({r["shape"] for r in log if r["kind"] == "proposals" and not r["count"]})
    out["plans_made"] = len(made)
    out["plans_refused"] = len(plans) - len(made)
    out["reasons"] = sorted({r["why"] for r in plans if not r["made"] and "of scratch" not in r["why"]})
    out["compiled"] = sum(r["compiled"] for r in plans)
    out["compile_s"] = round(sum(r["ms"] for r in plans if r["compiled"]) / 1e3, 1)
    out["scratch_mb"] = max([r["scratch"] for r in made], default=0) >> 20
    out["kept_ms"] = round(sum(r["ms"] for r in log if r["kind"] == "kept"), 1)
    out["products"] = len({r["shape"] for r in log if r["kind"] == "product"})
    out["misaligned"] = sorted({r["shape"] for r in log if r["kind"] == "product" and r["align"] < 16})
    out["wrong"] = [r["what"] for r in log if r["kind"] == "wrong"]
    print(json.dumps(out))


def good(p):
    if p["part"].endswith("-again") and (p["compiled"] or not p.get("kept")):
        p["error"] = p["error"] or "compiled again"
    if p["status"] or p["error"] or p["wrong"] or p["capture_lost"]:
        return False
    # a causal attention in f32 is our kernel's; of a shape that one way refuses another may do the calls
    return not any(p["refused"][:2 if p["precision"] == "fp32" else 3])


def all_parts(path, to):
    parts = list(rows(path))
    with open(to, "w") as f:
        f.write("| part | calls of the libraries | ours | graphs | plans | compiled, s | scratch, MB | products | |\n"
                "|---|---|---|---|---|---|---|---|---|\n")
        for p in parts:
            taken, refused = sum(p.get("taken", [])), sum(p.get("refused", []))
            f.write(f"| {p['part']} | {taken} | {refused} | {p['graphs']} | {p['plans_made']} of "
                    f"{p['plans_made'] + p['plans_refused']} | {p['compiled']}, {p['compile_s']} | "
                    f"{p['scratch_mb']} | {p['products']} | "
                    f"{'' if good(p) else p['error'] or p['refusal'] or p['capture_lost'] or p['wrong'][0]} |\n")
    with open(to) as f:
        print(f.read())
    failed = sum(not good(p) for p in parts)
    print(f"{len(parts) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(failed > 0 or not parts)


part(*sys.argv[2:]) if sys.argv[1] == "part" else all_parts(*sys.argv[2:])
