import http.client, json, os, signal, threading, time, urllib.error, urllib.request

URL = os.environ.get("JETTY_API_URL", "http://localhost:7070") + "/api/v1/workers"
HEADERS = {"authorization": "Bearer " + os.environ["JETTY_API_TOKEN"], "content-type": "application/json"}


def reverse(parameters, lost):
    return {"text": " ".join(reversed(parameters["text"].split()))}


TEXT = {"type": "object", "properties": {"text": {"type": "string", "description": "A text."}}, "required": ["text"]}
RUN = {"text.reverse": reverse}
OFFER = {"name": "python", "activities": [
    {"name": "text.reverse", "description": "Reverses the words.", "parameters": TEXT, "outputs": TEXT}]}


def call(method, path, body=None, timeout=30):
    """Repeats a call until it is answered. None: the server does not know the worker or job, or gave it away."""
    pause = 0.25
    while True:
        try:
            data = None if body is None else json.dumps(body).encode()
            with urllib.request.urlopen(urllib.request.Request(URL + path, data, HEADERS, method=method), timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):
                return None
            if error.code < 500 and error.code != 429:
                raise RuntimeError(error.read().decode())
        except (OSError, ValueError, http.client.HTTPException):
            pass  # no answer, or half of one
        time.sleep(pause)
        pause = min(pause * 2, 30)


def carry_out(worker, job):
    path, lost, done = f"/{worker['worker_id']}/jobs/{job['job_id']}/", threading.Event(), threading.Event()

    def beat():
        while not done.wait(worker["heartbeat_seconds"]):
            answer = call("POST", path + "heartbeat", {"epoch": job["epoch"]})
            if answer is None or answer["cancelled"]:
                return lost.set()

    threading.Thread(target=beat, daemon=True).start()
    try:
        how, result = "complete", {"outputs": RUN[job["activity"]](job["parameters"], lost)}
    except Exception as error:
        how, result = "fail", {"error": repr(error)}
    if not lost.is_set():
        try:
            call("POST", path + how, {"epoch": job["epoch"], **result})
        except RuntimeError as refused:
            print("not settled:", refused, flush=True)
    done.set()


def main():
    worker = call("POST", "", OFFER)
    leave = lambda *_: threading.Thread(target=call, args=("DELETE", "/" + worker["worker_id"])).start()
    signal.signal(signal.SIGTERM, leave)  # the server then answers the poll with drain
    while True:
        polled = call("POST", f"/{worker['worker_id']}/poll", {"holding": []}, timeout=65)
        if polled is None:
            worker = call("POST", "", OFFER)
            continue
        for job in polled["jobs"]:
            carry_out(worker, job)
        if polled["drain"]:
            return


main()
