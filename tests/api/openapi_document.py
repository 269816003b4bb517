"""docs/openapi.yaml, with its references resolved, as something that answers can be held against."""

import copy
import json
import os
import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(os.environ.get("FLINT_ROOT", Path(__file__).resolve().parents[2]))
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")

sys.path.insert(0, str(ROOT / "src" / "api"))


def load():
    return yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))


def resolved(node, root):
    """`node` without references; what stands beside a reference wins."""
    if isinstance(node, list):
        return [resolved(element, root) for element in node]
    if not isinstance(node, dict):
        return node
    members = {name: resolved(member, root) for name, member in node.items() if name != "$ref"}
    if "$ref" not in node:
        return members
    target = root
    for name in node["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return {**resolved(target, root), **members}


def closed(schema):
    """The schema with no further members: readers shall let new ones pass, but the server shall send none unsaid."""
    if isinstance(schema, list):
        return [closed(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(member) for name, member in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        result.setdefault("additionalProperties", False)
    return result


def problems(schema, value):
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


class Operation:
    def __init__(self, path, method, description, shared_parameters):
        self.path = path
        self.method = method.upper()
        self.id = description["operationId"]
        self.takes_any_method = description.get("x-any-method", False)
        self.is_stream = description.get("x-stream", False)
        self.parameters = shared_parameters + description.get("parameters", [])
        self.responses = {int(status): response for status, response in description["responses"].items()}
        self.body = description.get("requestBody")

    @property
    def statuses(self):
        return set(self.responses)

    def body_schema(self):
        return self.body and self.body["content"]["application/json"]["schema"]


class Document:
    def __init__(self):
        self.source = load()
        self.resolved = resolved(copy.deepcopy(self.source), self.source)
        self.paths = self.resolved["paths"]
        self.responses = self.resolved["components"]["responses"]
        described = [Operation(path, method, item[method], item.get("parameters", []))
                     for path, item in self.paths.items() for method in METHODS if method in item]
        # An answer that does not end has tests of its own.
        self.operations = [operation for operation in described if not operation.is_stream]
        self.streams = [operation for operation in described if operation.is_stream]

    def methods_of(self, path):
        """HEAD is answered wherever GET is, and so is not described again."""
        described = {method.upper() for method in METHODS if method in self.paths[path]}
        if self.paths[path].get("get", {}).get("x-any-method"):
            described.update(method.upper() for method in METHODS)
        return sorted(described | ({"HEAD"} if "GET" in described else set()))


def faults(response, answer):
    """What is wrong with an answer of the server by the description of this response."""
    found = []
    for name, header in response.get("headers", {}).items():
        value = answer.fields.get(name.lower())
        if value is None:
            found.append(f"the field {name} is missing")
            continue
        typed = int(value) if header["schema"].get("type") == "integer" else value
        found += problems(header["schema"], typed)
    if "content" not in response:
        empty = answer.body == b"" and "content-type" not in answer.fields
        return found if empty else [*found, "there is a body, or the type of one"]
    media = answer.fields.get("content-type", "")
    if media not in response["content"]:
        return [*found, f"the Content-Type is {media!r}"]
    if media != "application/json":
        return found
    try:
        value = json.loads(answer.body)
    except ValueError as error:
        return [*found, f"the body is no JSON: {error}"]
    return found + problems(closed(response["content"][media]["schema"]), value)
