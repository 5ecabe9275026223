# Runs inside a sandbox: executes script.py of its working folder with the names `inputs` and `files`, and writes the
# value that the script returns, or that its function `main` returns, to the file $JETTY_OUTPUT as JSON.
import os
import sys
import types

# What the module json is built on. Loading json itself, with regular expressions, takes a third of a start of Python.
try:
    import _json
except ImportError:
    _json = None

TREE_ONLY = 0x400  # compile() gives a syntax tree instead of code
HAS_NAMED_REST = 0x08
place = os.path.join(os.getcwd(), "script.py")
packages = os.environ.get("JETTY_PACKAGES")
if packages:
    sys.path.insert(0, packages)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Rules:
    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def parsed(text):
    """The value of a JSON text that the server has written."""
    try:
        return _json.make_scanner(Rules)(text, 0)[0]
    except (AttributeError, TypeError):
        import json

        return json.loads(text)


def serialized(value):
    try:
        quoted = _json.encode_basestring_ascii
        return "".join(_json.make_encoder({}, None, quoted, None, ": ", ", ", False, False, False)(value, 0))
    except Exception:
        import json

        return json.dumps(value, allow_nan=False)


def compiled(source):
    """The code of the script, and whether it is the body of a function: then it may return a value."""
    try:
        return compile(source, place, "exec"), False
    except SyntaxError as error:
        if "'return' outside function" not in (error.msg or ""):
            raise
    tree = compile("def script(): pass", place, "exec", TREE_ONLY)
    tree.body[0].body = compile(source, place, "exec", TREE_ONLY).body
    return compile(tree, place, "exec"), True


def arguments(main, inputs, files):
    """What main is called with: inputs by the names of its parameters, or all of them for its only parameter."""
    code = getattr(main, "__code__", None)
    if code is None:
        return [inputs], {}
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    known = {**inputs, "inputs": inputs, "files": files} if isinstance(inputs, dict) else {"inputs": inputs, "files": files}
    if len(names) == 1 and names[0] not in known and not main.__defaults__:
        return [inputs], {}
    if code.co_flags & HAS_NAMED_REST and isinstance(inputs, dict):
        return [], {**inputs, **{name: known[name] for name in names if name in known}}
    return [], {name: known[name] for name in names if name in known}


def carry_out():
    inputs = parsed(read(os.environ["JETTY_INPUTS"]))
    files = parsed(read("files.json"))
    code, is_body = compiled(read(place))
    script = types.ModuleType("script" if "main" in code.co_names else "__main__")
    script.__file__ = place
    script.inputs = inputs
    script.files = files
    sys.modules[script.__name__] = script
    exec(code, script.__dict__)
    if is_body:
        return script.script()
    main = script.__dict__.get("main")
    if not callable(main):
        return None
    given, named = arguments(main, inputs, files)
    result = main(*given, **named)
    if hasattr(result, "__await__"):
        import asyncio

        result = asyncio.run(result)
    return result


def show(error):
    """Prints an error as Python does, without the lines of this file."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


try:
    result = carry_out()
except Exception as error:
    show(error)
    sys.exit(1)
if result is not None:
    try:
        text = serialized(result)
    except (TypeError, ValueError, RecursionError) as error:
        print(f"The result is not JSON: {error}", file=sys.stderr)
        sys.exit(1)
    with open(os.environ["JETTY_OUTPUT"], "w", encoding="utf-8") as output:
        output.write(text)
