import http.client, json, os, signal, threading, time, urllib.error, urllib.request

URL = os.environ.get("JETTY_API_URL", "http://localhost:7070") + "/api/v1/workers"
HEADERS = {"authorization": "Bearer " + os.environ["JETTY_API_TOKEN"], "content-type": "application/json"}

def reverse(parameters, lost):
    return {"text": " ".join(reversed(parameters["text"].split()))}

TEXT = {"type": "object", "properties": {"text": {"type": "string", "description": "A text."}}, "required": ["text"]}
RUN = {"text.reverse": reverse}
OFFER = {"name": "python", "activities": [
    {"name": "text.reverse", "description": "Reverses the order of words.", "parameters": TEXT, "outputs": TEXT}]}

def call(method, path, body=None, timeout=30, pause=0.25):
    """Repeats a call until it is answered. None: the worker is not known, or the job belongs to another one."""
    while True:
        try:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(URL + path, data, HEADERS, method=method)
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):
                return None
            if error.code < 500 and error.code != 429:
                raise RuntimeError(error.read().decode())
        except (OSError, ValueError, http.client.HTTPException):
            pass  # no answer, or half of one
        time.sleep(pause)
        pause = min(pause * 2, 10)

def carry_out(worker, job):
    path = f"/{worker['worker_id']}/jobs/{job['job_id']}/"
    lost, done = threading.Event(), threading.Event()
    def beat():
        while not done.wait(worker["heartbeat_seconds"]):
            answer = call("POST", path + "heartbeat", {"epoch": job["epoch"]}, worker["heartbeat_seconds"])
            if answer is None or answer["cancelled"]:
                return lost.set()
    threading.Thread(target=beat, daemon=True).start()
    try:
        verb, result = "complete", {"outputs": RUN[job["activity"]](job["parameters"], lost)}
        json.dumps(result)  # what is no JSON fails the job, not the worker
    except Exception as error:
        verb, result = "fail", {"error": repr(error)[:10_000]}
    try:
        if not lost.is_set():
            call("POST", path + verb, {"epoch": job["epoch"], **result})
    except RuntimeError as refused:
        print("refused:", refused, flush=True)
    done.set()

worker, polled = None, None
# The server answers the open poll with "drain" then.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=call, args=("DELETE", "/" + worker["worker_id"])).start())
while not (polled and polled["drain"]):
    worker = worker if polled else call("POST", "", OFFER)
    asked = {"holding": [], "wait_seconds": worker["poll_seconds"]}
    polled = call("POST", f"/{worker['worker_id']}/poll", asked, timeout=65)  # without a byte
    for job in polled["jobs"] if polled else []:
        carry_out(worker, job)
