"""Holds workflows that `spritty export` wrote against ComfyUI's own nodes.

    python check_comfy.py CHECKOUT WORKFLOW.json...    a checkout of comfyanonymous/ComfyUI

Every class must be there, every required input given and known, every number in its range, every
choice in its list (file names apart), and every link must lead to an output of the wanted type.
nodes.py is imported from the checkout, with stand-ins for what is not installed (torch ...); the
newer node classes of comfy_extras are read from their source.
"""
import ast
import glob
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
from unittest.mock import MagicMock


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for what is not there (last in the list), or for what wants a GPU (first)."""

    def __init__(self, heavy):
        self.heavy = heavy

    def find_spec(self, name, path, target=None):
        if self.heavy and (not name.startswith("comfy.") or name.startswith("comfy.comfy_types")):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__spec__, module.__path__, module.__name__ = spec, [], spec.name
        return module

    def exec_module(self, module):
        pass


def classic(checkout):
    sys.path.insert(0, checkout)
    sys.argv = sys.argv[:1]
    sys.meta_path.insert(0, StandIn(True))
    sys.meta_path.append(StandIn(False))
    import nodes
    found, classes = {}, dict(nodes.NODE_CLASS_MAPPINGS)
    for path in glob.glob(os.path.join(checkout, "comfy_extras", "nodes_*.py")):
        try:
            name = "comfy_extras." + os.path.basename(path)[:-3]
            more = getattr(importlib.import_module(name), "NODE_CLASS_MAPPINGS", {})
            classes.update(more)
        except Exception:  # what wants the real torch
            pass
    for name, cls in classes.items():
        try:
            spec = cls.INPUT_TYPES()
            found[name] = ({**spec.get("required", {}), **spec.get("optional", {})},
                           list(spec.get("required", {})), list(cls.RETURN_TYPES))
        except Exception:  # likewise
            pass
    return found


def choices(checkout):
    """KSampler's lists, read from comfy/samplers.py, which needs torch to be imported."""
    tree = ast.parse(open(os.path.join(checkout, "comfy/samplers.py"), encoding="utf-8").read())
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if name == "KSAMPLER_NAMES":
                values[name] = ast.literal_eval(value)
            elif name == "SCHEDULER_HANDLERS":
                values[name] = [k.value for k in value.keys]
    return values["KSAMPLER_NAMES"] + ["ddim", "uni_pc", "uni_pc_bh2"], values["SCHEDULER_HANDLERS"]


def modern(checkout):
    """io.Schema(node_id=..., inputs=[io.Int.Input("width", ...)], outputs=[io.Latent.Output()])"""
    found = {}
    for path in glob.glob(os.path.join(checkout, "comfy_extras", "*.py")):
        for call in ast.walk(ast.parse(open(path, encoding="utf-8").read())):
            if not (isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "Schema"):
                continue
            args = {k.arg: k.value for k in call.keywords}
            if "node_id" not in args or not isinstance(args.get("inputs"), ast.List):
                continue
            inputs, outputs = {}, []
            for i in args["inputs"].elts:
                if isinstance(i, ast.Call) and isinstance(i.func, ast.Attribute) and i.args:
                    kind = getattr(i.func.value, "attr", "?").upper()
                    limits = {k.arg: k.value.value for k in i.keywords
                              if isinstance(k.value, ast.Constant)}
                    inputs[i.args[0].value] = (kind, limits)
            for o in getattr(args.get("outputs"), "elts", []):
                outputs.append(getattr(getattr(getattr(o, "func", o), "value", o), "attr", "?")
                               .upper())
            found[args["node_id"].value] = (inputs, list(inputs), outputs)
    return found


def check(path, nodes, samplers, schedulers):
    bad = []
    graph = json.load(open(path, encoding="utf-8"))
    for number, node in graph.items():
        kind = node["class_type"]
        where = f"{path}: node {number} ({kind})"
        if kind not in nodes:
            bad.append(f"{where}: no such class")
            continue
        inputs, required, _ = nodes[kind]
        bad += [f"{where}: {name} is missing" for name in required if name not in node["inputs"]]
        for name, value in node["inputs"].items():
            if name not in inputs:
                bad.append(f"{where}: no input {name}")
                continue
            wanted = inputs[name][0]
            limits = inputs[name][1] if len(inputs[name]) > 1 else {}
            if isinstance(value, list):
                source = graph.get(value[0])
                outputs = nodes[source["class_type"]][2] if source and source["class_type"] in nodes \
                    else []
                if value[1] >= len(outputs) or outputs[value[1]] != wanted:
                    bad.append(f"{where}: {name} is linked to {value}, which gives no {wanted}")
            elif name == "sampler_name" and value not in samplers:
                bad.append(f"{where}: no sampler {value}")
            elif name == "scheduler" and value not in schedulers:
                bad.append(f"{where}: no scheduler {value}")
            elif isinstance(wanted, list) and wanted and name not in ("sampler_name", "scheduler") \
                    and not name.endswith("_name") and name != "image" and value not in wanted:
                bad.append(f"{where}: {name} is {value}, none of {wanted}")
            elif wanted in ("INT", "FLOAT"):
                low, high = limits.get("min"), limits.get("max")
                if not isinstance(value, (int, float)) or (wanted == "INT" and value != int(value)):
                    bad.append(f"{where}: {name} is {value!r}, no {wanted}")
                elif (isinstance(low, (int, float)) and value < low) or \
                        (isinstance(high, (int, float)) and value > high):
                    bad.append(f"{where}: {name} is {value}, not from {low} to {high}")
            elif wanted == "STRING" and not isinstance(value, str):
                bad.append(f"{where}: {name} is no text")
            elif isinstance(wanted, str) and wanted.isupper() and wanted in \
                    ("MODEL", "CLIP", "VAE", "LATENT", "IMAGE", "MASK", "CONDITIONING"):
                bad.append(f"{where}: {name} must be a link")
    return len(graph), bad


def main():
    checkout, paths = sys.argv[1], sys.argv[2:]
    nodes = {**modern(checkout), **classic(checkout)}
    samplers, schedulers = choices(checkout)
    failed = 0
    for path in paths:
        count, bad = check(path, nodes, samplers, schedulers)
        print(f"{path}: {count} nodes, {len(bad)} mistakes")
        for line in bad:
            print("  " + line)
        failed += len(bad)
    sys.exit(failed > 0)


main()
