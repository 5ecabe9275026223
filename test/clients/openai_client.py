"""Makes calls with the OpenAI library for Python, each with a client of its own, and prints what came of them as JSON.

A call is a line of stdin: {"base": URL, "key": KEY, "name": CASE}. To load the library takes as long as twenty calls.
"""

import json
import sys

import openai
from pydantic import BaseModel

client = None

MODEL = "gpt-4o-mini"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


class Weather(BaseModel):
    city: str
    degrees: int


def chat():
    raw = client.chat.completions.with_raw_response.create(**HELLO)
    return {"text": raw.parse().choices[0].message.content, "trajectory": raw.headers["x-jetty-trajectory-id"]}


def stream():
    chunks = list(client.chat.completions.create(**HELLO, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return {"text": "".join(texts), "chunks": len(chunks), "tokens": chunks[-1].usage.total_tokens}


def extra_body():
    extra = {"top_k": 7, "x_future": {"deep": [1, None]}}
    chunks = client.chat.completions.create(**HELLO, stream=True, extra_body=extra)
    return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)}


def called(message):
    return [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls]


def tools():
    return called(client.chat.completions.create(**HELLO, tools=[WEATHER]).choices[0].message)


def streamed_tools():
    with client.beta.chat.completions.stream(**HELLO, tools=[WEATHER]) as events:
        return called(events.get_final_completion().choices[0].message)


def schema():
    return client.beta.chat.completions.parse(**HELLO, response_format=Weather).choices[0].message.parsed.model_dump()


def embeddings():
    return client.embeddings.create(model="text-embedding-3-small", input="Hello").data[0].embedding


def images():
    return client.images.generate(model="gpt-image-1", prompt="A jetty").data[0].b64_json


def responses():
    return client.responses.create(model=MODEL, input="Hello").output_text


def streamed_responses():
    events = client.responses.create(model=MODEL, input="Hello", stream=True)
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def models():
    return [model.id for model in client.models.list()]


RUNBOOK = """---
agent: scripted
---
# Greet

```sh
echo "Hello, {{name}}" > {{results_dir}}/greeting.txt
```
"""
ASKED = {
    "model": "scripted",
    "messages": [{"role": "system", "content": RUNBOOK}, {"role": "user", "content": "Execute the runbook."}],
}


def block(task, **more):
    jetty = {"runbook": True, "collection": "acme", "task": task, "template_variables": {"name": "Ada"}, **more}
    return {"extra_body": {"jetty": jetty}}


def runbook():
    raw = client.chat.completions.with_raw_response.create(**ASKED, **block("python"))
    answer = raw.parse()
    return {
        "status": answer.jetty_metadata["status"],
        "ids": [answer.id, answer.trajectory_id, raw.headers["x-jetty-trajectory-id"]],
        "text": answer.choices[0].message.content,
    }


def streamed_runbook():
    chunks = list(client.chat.completions.create(**ASKED, **block("python-stream"), stream=True))
    return {
        "first": chunks[0].jetty_metadata["status"],
        "last": chunks[-1].jetty_metadata["status"],
        "text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "events": [chunk.jetty_event["type"] for chunk in chunks if hasattr(chunk, "jetty_event")],
    }


def unknown_agent():
    return client.chat.completions.create(**ASKED, **block("python", agent="hermes")).id


CASES = [chat, stream, extra_body, tools, streamed_tools, schema, embeddings, images, responses, streamed_responses, models]
CASES += [runbook, streamed_runbook, unknown_agent]


def outcome(case):
    try:
        return {"result": {function.__name__: function for function in CASES}[case]()}
    except openai.APIStatusError as error:
        return {"error": type(error).__name__, "status": error.status_code, "code": error.code, "text": str(error)}
    except (openai.APIError, openai.OpenAIError) as error:
        return {"error": type(error).__name__, "text": str(error)}
    except Exception as error:  # what the HTTP library says of a stream that was cut
        return {"error": f"{type(error).__module__}.{type(error).__name__}", "text": str(error)}


for line in sys.stdin:
    asked = json.loads(line)
    client = openai.OpenAI(api_key=asked["key"], base_url=asked["base"], max_retries=0)
    print(json.dumps(outcome(asked["name"])), flush=True)
