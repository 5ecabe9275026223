// Scripts through the front door, in real sandboxes: what they are given, what becomes of what they leave, and those that
// want to do harm.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { letGoOn, waitToGoOn } from '../../sandbox-gate.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const secret = 'a-token-of-the-script-test-83b1'
const lines = ['first-line-of-a-key-4d07', 'second-line-of-a-key-4d08']
let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({
    env: {
      JETTY_SCRIPT_MEMORY_BYTES: '128MiB',
      JETTY_SCRIPT_DISK_BYTES: '32MiB',
      JETTY_SCRIPT_OUTPUT_BYTES: '256KiB',
      JETTY_SCRIPT_PIDS: '24',
      JETTY_SCRIPT_FILES: '4',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { API_TOKEN: secret, OTHER: 'other-value-7f', KEY: lines.join('\n') },
  })
})
afterAll(async () => {
  if (!jetty) return
  try {
    await jetty.server.close()
    expect(readdirSync(join(jetty.dataDir, 'sandboxes'))).toEqual([]) // of no script, however it ended
  } finally {
    await jetty.close()
  }
})

const run = (step: object, params: Record<string, unknown> = {}): Promise<Body> =>
  jetty.run({ init_params: params, step_configs: { step: { activity: 'script', ...step } as Body }, steps: ['step'] })
const python = (code: string, more: object = {}) => run({ language: 'python', code, ...more })
const shell = (code: string, more: object = {}) => run({ language: 'shell', code, ...more })
/** Runs scripts one after the other, each whether or not the one before failed. */
const runAll = async (steps: object[]): Promise<{ error: string | null; outputs: Body }[]> => {
  const configs = steps.map((step, at) => [
    `s${at}`,
    { activity: 'script', ...step, options: { continue_on_error: true } },
  ])
  const done = await jetty.run({
    step_configs: Object.fromEntries(configs),
    steps: configs.map(([name]) => name),
  } as Body)
  expect(done.status, done.error).toBe('completed')
  return configs.map(([name]) => done.steps[name as string])
}
const outputsOf = (done: Body): Body => done.steps.step.outputs
const result = async (done: Promise<Body>): Promise<unknown> => {
  const { status, error, steps } = await done
  expect([status, error]).toEqual(['completed', null])
  return steps.step.outputs.result
}
const textOf = async (path: string) => (await jetty.call('GET', `/api/v1/file/${path}`)).body

describe('languages', () => {
  it('the example of the catalogue runs as it is', async () => {
    const { body } = await jetty.call('GET', '/api/v1/step-templates/script')
    expect(await result(run(body.example, { orders: [{ amount: 10 }, { amount: 5 }] }))).toEqual({ total: 16.5 })
  })

  it('of every name, with inputs and a result in the way of each', async () => {
    const inputs = { a: 20, b: 22, word: "it's" }
    const cases: [language: string, code: string, expected: unknown][] = [
      ['python', 'def main(a, b):\n    return a + b', 42],
      ['py', 'def main(given):\n    return given["a"]', 20],
      ['python3', 'if inputs["a"]:\n    return {"sum": inputs["a"] + inputs["b"]}', { sum: 42 }],
      ['python', 'async def main(word, **rest):\n    return [word, sorted(rest)]', ["it's", ['a', 'b']]],
      [
        'python',
        'return [1.5, None, True, {2: inputs["word"] + "\\u00e9\\U0001f600"}]',
        [1.5, null, true, { 2: "it'sé😀" }],
      ],
      ['python', 'return {"set": {1}}', expect.stringContaining('The result is not JSON: Object of type set')],
      ['python', 'return float("nan")', expect.stringContaining('The result is not JSON: Out of range')],
      ['javascript', 'return inputs.a + inputs.b', 42],
      ['js', 'const main = async ({ a, b }) => ({ sum: a + b })', { sum: 42 }],
      ['node', 'import { basename } from "node:path"\nexport default ({ word }) => basename("/x/" + word)', "it's"],
      ['bash', 'echo "[$INPUT_A, \\"$INPUT_WORD\\"]" > "$JETTY_OUTPUT"', [20, "it's"]],
      ['sh', 'true', null],
    ]
    const done = await runAll(cases.map(([language, code]) => ({ language, code, inputs })))
    expect(done.map(({ error, outputs }) => error ?? outputs.result)).toEqual(cases.map(([, , expected]) => expected))
  })

  it('names inputs by paths, and uses the code as it is written', async () => {
    const done = run(
      { language: 'python', code: 'return ["{{init_params.x}}", inputs["x"]]', inputs: { x_path: 'init_params.x' } },
      { x: 'é\u0000"' },
    )
    expect(await result(done)).toEqual(['{{init_params.x}}', 'é\u0000"'])
  })
})

describe('files', () => {
  it('reads files and a script by their storage paths, and keeps what it writes to results', async () => {
    const done = await jetty.run({
      step_configs: {
        data: { activity: 'save_text_file', filename: '../../data.csv', text: 'a,b\n1,2\n' },
        code: {
          activity: 'save_text_file',
          filename: 'count.py',
          text: 'lines = open(files[0]["path"]).read().split()\nopen("results/" + files[0]["name"], "w").write(lines[1])\nreturn len(lines)',
        },
        step: {
          activity: 'script',
          language: 'python',
          file_path: 'code.outputs.path',
          files: ['data.outputs.path'],
        },
      },
      steps: ['data', 'code', 'step'],
    } as Body)
    expect([done.status, done.error]).toEqual(['completed', null])
    const { result: count, files } = outputsOf(done)
    expect(count).toBe(2)
    expect(files).toMatchObject([{ relative_path: expect.not.stringContaining('..') }])
    expect(await textOf(files[0].path)).toBe('1,2')
  })

  it('keeps no links, pipes and paths that lead out, and no more files than the limit', async () => {
    const done = await shell(`cd results
      ln -s /etc/passwd passwd; ln -s / root; mkfifo pipe; mkdir -p a/b; echo deep > a/b/deep.txt
      printf x > 'bad\u202ename.txt'; for n in 1 2 3 4 5 6; do echo $n > $n.txt; done`)
    expect(done.status).toBe('completed')
    const { files } = outputsOf(done)
    expect(files.map(({ relative_path }: Body) => relative_path)).toEqual(['1.txt', '2.txt', '3.txt', '4.txt'])
    const said = JSON.stringify(done.steps.step.logs)
    for (const word of ['passwd', 'root', 'pipe']) expect(said).toContain(`${word} is not kept`)
  })

  it('fails when the result is no file with JSON', async () => {
    const cases: [code: string, message: RegExp][] = [
      ['ln -s /etc/passwd "$JETTY_OUTPUT"', /not a readable file/],
      ['mkdir "$JETTY_OUTPUT"', /not a readable file/],
      ['mkfifo "$JETTY_OUTPUT"', /not a readable file/],
      ['truncate -s 32M "$JETTY_OUTPUT"; echo >> "$JETTY_OUTPUT"', /32 MiB|wrote more|exit code/],
      ['echo "{" > "$JETTY_OUTPUT"', /cannot be used/],
      ['printf "%200000s" "" | tr " " "[" > "$JETTY_OUTPUT"', /nested deeper/],
    ]
    const done = await runAll(cases.map(([code]) => ({ language: 'shell', code })))
    expect(done.map(({ error }) => error)).toEqual(cases.map(([, message]) => expect.stringMatching(message)))
  })
})

describe('what it may not', () => {
  it('sees no variables, files and processes of the server, and no network', async () => {
    const seen = (await result(
      python(`import os, socket, glob
names = sorted(name for name in os.environ)
pids = [one for one in os.listdir('/proc') if one.isdigit()]
try:
    socket.create_connection(('127.0.0.1', ${new URL(jetty.url).port}), 2)
    reached = True
except OSError as error:
    reached = type(error).__name__
readable = [path for path in ('/etc/shadow', '/root', '${jetty.dataDir}', '/proc/1/environ') if os.access(path, os.R_OK)]
return {'names': names, 'pids': len(pids), 'reached': reached, 'readable': readable, 'uid': os.getuid()}`),
    )) as Body
    expect(seen.names).not.toContain('API_TOKEN')
    expect(seen.names.filter((name: string) => /DATABASE|ADMIN|KEY/.test(name))).toEqual([])
    expect(seen).toMatchObject({ reached: 'ConnectionRefusedError', uid: 1000 })
    expect(seen.pids).toBeLessThan(6)
    expect(seen.readable.filter((path: string) => path !== '/proc/1/environ')).toEqual([])
  })

  it('sees the variables that it names, and they are struck out of everything it leaves', async () => {
    const done = await python(
      `import os, sys
token = os.environ['API_TOKEN']
print(token); print(token, file=sys.stderr); sys.stdout.write(token[:9]); sys.stdout.flush(); print(token[9:])
open('results/' + token + '.txt', 'w').write('x' + token)
return {token: [token], 'length': len(token), 'other': os.environ.get('OTHER')}`,
      { env: ['API_TOKEN'] },
    )
    expect(done.status).toBe('completed')
    const { result: made, stdout, stderr, files } = outputsOf(done)
    expect(made).toEqual({ '***': ['***'], length: secret.length, other: null })
    expect([stdout, stderr]).toEqual(['***\n***\n', '***\n'])
    expect(files[0].relative_path).toBe('***.txt')
    expect(await textOf(files[0].path)).toBe('x***')
  })

  it('names a variable that is not there', async () => {
    const done = await shell('true', { env: ['API_TOKEN', 'NOT_THERE'] })
    expect(done.error).toContain('The environment has no NOT_THERE')
  })

  it('reaches no host that network does not name, nor a private one that it names', async () => {
    const done = await python(
      `import urllib.request
def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=20).status
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]
return [ask('http://other.example.org/'), ask('http://127.0.0.1.nip.invalid/'), ask('http://10.0.0.1/')]`,
      { network: ['127.0.0.1.nip.invalid', '10.0.0.1'] },
    )
    expect(done.status).toBe('completed')
    const [unlisted, , reserved] = outputsOf(done).result
    expect(unlisted).toEqual([403, expect.stringContaining('not among the hosts')])
    expect(reserved).toEqual([403, expect.stringContaining('private')])
  })
})

describe('limits', () => {
  it('end a script with everything that it has started', async () => {
    const cases: [code: string, more: object, message: RegExp][] = [
      ['import time\nwhile True: time.sleep(0.001)', { timeout_sec: 1 }, /timed out after 1 s/],
      [
        'import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)',
        { timeout_sec: 1 },
        /timed out after 1 s/,
      ],
      ['x = []\nwhile True: x.append(bytearray(10 ** 7))', {}, /more than 128 MiB of memory|MemoryError/],
      ['while True: print("y" * 1000)', {}, /printed more than 256 KiB/],
      ['with open("big", "wb") as f:\n    while True: f.write(bytes(10 ** 6))', {}, /wrote more than 32 MiB|exit code/],
      ['import os\nwhile True: os.fork()', { timeout_sec: 20 }, /limit of 24 processes|timed out|exit code|of memory/],
    ]
    const done = await runAll(cases.map(([code, more]) => ({ language: 'python', code, ...more })))
    expect(done.map(({ error }) => error)).toEqual(cases.map(([, , message]) => expect.stringMatching(message)))
    expect(done.every(({ outputs }) => outputs.result === null)).toBe(true)
  })

  it('says what a script printed before it failed', async () => {
    const done = await python('print("so far")\nraise ValueError("no such order: 7")')
    expect(done.error).toContain('exit code 1: ValueError: no such order: 7')
    expect(outputsOf(done)).toMatchObject({
      stdout: 'so far\n',
      exit_code: 1,
      stderr: expect.stringContaining('line 2'),
    })
    expect(outputsOf(done).stderr).not.toContain('/opt/jetty')
  })

  it('fails a script that waits for what never comes', async () => {
    const done = await run({ language: 'javascript', code: 'await new Promise(() => {})' })
    expect([done.status, outputsOf(done).exit_code]).toEqual(['failed', 13])
    expect(outputsOf(done).stderr).toContain('nothing settles')
  })

  it('checks the result by output_schema', async () => {
    const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }
    expect(await result(python('return {"n": 1}', { output_schema: schema }))).toEqual({ n: 1 })
    const done = await python('return {"n": "1"}', { output_schema: schema })
    expect([done.status, done.error]).toEqual([
      'failed',
      expect.stringMatching(/does not fit output_schema: n .*integer/),
    ])
  })
})

it('what a script prints is in the log of its step while it runs, without secrets', async () => {
  const keyInParts = [`echo "$KEY" | head -n 1`, waitToGoOn, `echo "$KEY" | tail -n 1`].join('; ')
  const code = `echo "one $API_TOKEN"; echo two >&2; ${keyInParts}; echo three`
  const step = { activity: 'script', language: 'shell', code, env: ['API_TOKEN', 'KEY'], timeout_sec: 600 }
  const task = await jetty.task({ step_configs: { step }, steps: ['step'] })
  const { trajectory_id: id } = await jetty.start(task)
  const said = (run: Body): string[] =>
    (run.steps.step?.logs ?? [])
      .filter(({ type }: Body) => type === 'script_output')
      .map(({ message }: Body) => message)
  const during = await jetty.until(task, id, (run) => said(run).length >= 2)
  expect(during.status).toBe('running')
  expect(said(during).sort()).toEqual(['one ***', 'two'])
  const done = await jetty.until(task, id, (run) => {
    letGoOn(jetty.dataDir)
    return run.ended !== null
  })
  const { stdout } = outputsOf(done)
  expect([done.status, said(done).at(-1), stdout]).toEqual(['completed', '***\nthree', 'one ***\n***\nthree\n'])
})

it('a cancelled run kills its script, and keeps what it had printed', async () => {
  const code = 'echo begun; echo x > results/x.txt; sleep 600'
  const step = { activity: 'script', language: 'shell', code, timeout_sec: 600 }
  const task = await jetty.task({ step_configs: { step }, steps: ['step'] })
  const { trajectory_id: id } = await jetty.start(task)
  await jetty.until(task, id, (run) => JSON.stringify(run.steps.step?.logs ?? []).includes('begun'))
  await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
  const done = await jetty.until(task, id, (run) => run.ended !== null)
  expect([done.status, done.steps.step.status]).toEqual(['cancelled', 'cancelled'])
  expect(outputsOf(done)).toMatchObject({ stdout: 'begun\n', exit_code: null, files: [{ relative_path: 'x.txt' }] })
})

it('a replay takes the recorded result, and an unknown activity of another system is explained', async () => {
  const first = await python('import random\nopen("results/x.txt", "w").write("x")\nreturn random.random()')
  const again = await jetty.call('POST', `/api/v1/trajectory/acme/${first.task}/${first.trajectory_id}/rerun`, {
    mode: 'replay',
  })
  expect(again.status, JSON.stringify(again.body)).toBe(200)
  const second = await jetty.until(first.task, again.body.trajectory_id, (one) => one.ended !== null)
  expect(second.steps.step.outputs.result).toBe(first.steps.step.outputs.result)
  const answer = await jetty.call('POST', '/api/v1/tasks/acme', {
    ...{ name: 'elsewhere', workflow: { step_configs: { one: { activity: 'python', code: 'x' } }, steps: ['one'] } },
  })
  expect(JSON.stringify(answer.body)).toContain('script')
})
