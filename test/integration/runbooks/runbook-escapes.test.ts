// What a runbook tries in its sandbox on a whole server, and what it hands out or is handed: denied, or capped, and said.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const key = 'sk-unmistakable-escape-77c1'
const keptFiles = 40

let jetty: TestServer
let neighbour: Server
let port: number
beforeAll(async () => {
  jetty = await startTestServer({
    env: {
      JETTY_SANDBOX_UID: '733000',
      JETTY_RUNBOOK_FILES: String(keptFiles),
      JETTY_RUNBOOK_INPUT_BYTES: '4MiB',
      JETTY_SANDBOX_FILES: '1500',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { OPENAI_API_KEY: key } })
  neighbour = createServer((_, response) => response.end('of this machine'))
  await new Promise<void>((resolve) => neighbour.listen(0, '127.0.0.1', resolve))
  port = (neighbour.address() as { port: number }).port
})
afterAll(async () => {
  neighbour?.close()
  await jetty?.close()
})

let count = 0
const ask = (script: string, block: Body = {}) =>
  jetty.call('POST', '/v1/chat/completions', {
    model: 'scripted',
    messages: [
      { role: 'system', content: `# Try\n\n\`\`\`sh\n${script}\n\`\`\`\n` },
      { role: 'user', content: 'Execute the runbook.' },
    ],
    jetty: { collection: 'acme', task: `escape-${++count}`, agent: 'scripted', ...block },
  })

const carryOut = async (script: string, block: Body = {}) => {
  const { body } = await ask(script, block)
  const { body: run } = await jetty.call('GET', body.jetty_metadata.poll_url)
  const { body: log } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?limit=1000`)
  const warnings = log.events
    .filter((event: Body) => event.type === 'agent_warning')
    .map((event: Body) => event.message)
  return { run, outputs: run.steps.run?.outputs, warnings }
}
const contentOf = async (file: Body) => (await jetty.call('GET', `/api/v1/file/${file.path}`)).body
const named = (outputs: Body, name: string) =>
  outputs.results_files.find((file: Body) => file.relative_path === name) ?? {}
/** What a Python program has said as JSON, once the runbook has succeeded. */
const python = async (program: string, block: Body = {}) => {
  const { run, outputs } = await carryOut(`python3 - > /app/results/said.json <<'END'\n${program}\nEND`, block)
  expect(run.error).toBeNull()
  const said = await contentOf(named(outputs, 'said.json'))
  return typeof said === 'string' ? JSON.parse(said) : said
}

/** A run that stays in its sandbox until it is cancelled, and the folder of that on this machine. */
const staying = async () => {
  const { body } = await ask('echo its-own > /app/results/secret; sleep 600', { timeout_hint: 0 })
  const { task, trajectory_id: id } = body.jetty
  const parent = join(jetty.dataDir, 'sandboxes')
  const isThere = (name: string) => existsSync(join(parent, name, 'app/results/secret'))
  await vi.waitUntil(() => existsSync(parent) && readdirSync(parent).some(isThere), { timeout: 60_000 })
  return {
    folder: join(parent, readdirSync(parent).find(isThere) ?? ''),
    stop: async () => {
      await jetty.call('POST', `/api/v1/trajectory/acme/${task}/statuses`, { [id]: 'cancelled' })
      await jetty.until(task, id, ({ ended }) => ended !== null)
    },
  }
}

describe('a run in its sandbox', () => {
  it('cannot reach another run, the database, the data folder or the server, whatever it knows of them', async () => {
    const other = await staying()
    const database = new URL(jetty.database.url)
    const server = new URL(jetty.url)
    const said = await python(`
import json, os, socket
def attempt(work):
  try: return work()
  except Exception as error: return type(error).__name__
def connect(family, address):
  with socket.socket(family) as one:
    one.settimeout(2); one.connect(address); return 'connected'
paths = ['${other.folder}', '${other.folder}/app/results/secret', '${jetty.dataDir}', '${jetty.dataDir}/admin-token', '/etc/shadow', '/root']
said = {path: attempt(lambda: 'seen' if os.path.exists(path) else 'none') for path in paths}
said['socket of the other gateway'] = attempt(lambda: connect(socket.AF_UNIX, '${other.folder}/gateway/gateway.sock'))
said['database'] = attempt(lambda: connect(socket.AF_INET, ('127.0.0.1', ${Number(database.port)})))
said['server'] = attempt(lambda: connect(socket.AF_INET, ('127.0.0.1', ${server.port})))
said['metadata'] = attempt(lambda: connect(socket.AF_INET, ('169.254.169.254', 80)))
print(json.dumps(said))`)
    await other.stop()
    expect(Object.keys(said)).toHaveLength(10)
    expect(Object.entries(said).filter(([, got]) => got === 'seen' || got === 'connected')).toEqual([])
  }, 180_000)

  it('finds a token in the place of the key, which stands nowhere on this machine', async () => {
    const found: string[] = []
    const looking = setInterval(() => found.push(...linesWith(key)), 50)
    const said = await python(`
import json, os, subprocess, time
time.sleep(0.4)
key = '${key.slice(0, 14)}' + '${key.slice(14)}'
texts = {name: open(name, 'rb').read().decode('latin1') for name in ['/proc/self/environ', '/app/RUNBOOK.md']}
everywhere = subprocess.run(['grep', '-rlsf', '-', '/app/assets', '/home', '/tmp', '/run', '/opt/jetty'], input=key, capture_output=True, text=True).stdout
print(json.dumps({'key': os.environ['OPENAI_API_KEY'][:3], 'same': os.environ['OPENAI_API_KEY'] == os.environ['JETTY_GATEWAY_TOKEN'], 'base': os.environ['OPENAI_BASE_URL'], 'everywhere': everywhere, 'in': [n for n, t in texts.items() if key in t]}))`)
    clearInterval(looking)
    expect(found).toEqual([])
    expect(said).toMatchObject({ same: true, base: 'http://127.0.0.1:3128/openai/v1', everywhere: '', in: [] })
    expect(key.startsWith(said.key)).toBe(false)
  }, 180_000)

  it('is refused every private address by the proxy, whichever way it is written, and told so', async () => {
    const hosts = [
      ...[
        '127.0.0.1',
        'localhost',
        '169.254.169.254',
        '2852039166',
        '0xa9fea9fe',
        '0251.0376.0251.0376',
        '169.16689662',
      ],
      ...[
        '[::ffff:169.254.169.254]',
        '[::ffff:a9fe:a9fe]',
        '[::1]',
        '[fd00:ec2::254]',
        '[64:ff9b::a9fe:a9fe]',
        '0.0.0.0',
        '0',
      ],
      ...['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'metadata.google.internal', hostname()],
    ]
    const said = await python(`
import http.client, json
said = {}
for host in ${JSON.stringify(hosts)}:
  for method in ['GET', 'CONNECT']:
    proxy = http.client.HTTPConnection('127.0.0.1', 3128, timeout=60)
    if method == 'GET': proxy.request('GET', 'http://' + host + ':${port}/', headers={'host': host})
    else: proxy.request('CONNECT', host + ':${port}')
    said[method + ' ' + host] = proxy.getresponse().status
    proxy.close()
print(json.dumps(said))`)
    expect(Object.keys(said)).toHaveLength(hosts.length * 2)
    // A name that nobody knows is not found; what is known and private is forbidden.
    expect(Object.entries(said).filter(([, status]) => status !== 403 && status !== 502)).toEqual([])
    const refused = Object.entries(said).filter(([, status]) => status === 403)
    expect(refused.length).toBeGreaterThanOrEqual((hosts.length - 2) * 2)
  }, 180_000)

  it('has no use for the token of another run, and none for its own at another place', async () => {
    const { outputs } = await carryOut('printf %s "$JETTY_GATEWAY_TOKEN" | base64 > /app/results/token')
    const token = Buffer.from(await contentOf(named(outputs, 'token')), 'base64').toString()
    expect(token.length).toBeGreaterThan(20)
    const said = await python(`
import http.client, json, os
def status(token):
  gateway = http.client.HTTPConnection('127.0.0.1', 3128)
  gateway.request('POST', '/openai/v1/chat/completions', json.dumps({'model': 'gpt-5.5', 'messages': []}), {'authorization': 'Bearer ' + token, 'content-type': 'application/json'})
  return gateway.getresponse().status
print(json.dumps([status('${token}'), status('nothing')]))`)
    expect(said).toEqual([401, 401])
    expect((await jetty.call('GET', '/api/v1/collections', undefined, token)).status).toBe(401)
    expect(
      (await jetty.call('POST', '/v1/chat/completions', { model: 'scripted/echo', messages: [] }, token)).status,
    ).toBe(401)
  }, 180_000)
})

/** Processes whose command line or environment has a word, as far as this user may look. */
const linesWith = (word: string): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && pid !== String(process.pid))
    .flatMap((pid) =>
      ['cmdline', 'environ'].flatMap((name) => {
        try {
          return readFileSync(`/proc/${pid}/${name}`, 'latin1').includes(word) ? [`${name} of ${pid}`] : []
        } catch {
          return [] // it has ended meanwhile
        }
      }),
    )

describe('what is left in the results folder', () => {
  it('is kept without the secrets that it was written with, in its name too, and that is said', async () => {
    const secret_params = { TOKEN: 'sesame "open" 4711' }
    const script =
      'cd /app/results; echo "$TOKEN in a text" > a.md; printf "\\000$TOKEN" > table; env | base64 -w 0 > all; echo x > "$TOKEN.txt"'
    const { outputs, warnings } = await carryOut(script, { secret_params })
    const contents = await Promise.all(
      ['a.md', 'table', 'all', '***.txt'].map(async (name) => String(await contentOf(named(outputs, name)))),
    )
    expect(contents.map((text) => text.slice(0, 30))).toEqual([
      '*** in a text\n',
      `\0${'*'.repeat(18)}`,
      expect.any(String),
      'x\n',
    ])
    expect(Buffer.from(contents[2] ?? '', 'base64').toString()).not.toMatch(/sesame|4711/)
    expect(warnings).toEqual(
      expect.arrayContaining([
        'a.md is kept without the value of TOKEN',
        expect.stringMatching(/^table is kept without the value of TOKEN; it is no text/),
        'all is kept without the value of TOKEN',
      ]),
    )
  }, 180_000)

  it('is taken only where it is a plain file of this run; all else is named in a warning', async () => {
    const script = [
      'cd /app/results; echo fine > fine.md; mkdir -p deep/er; echo x > deep/er/x.txt',
      'ln -s /etc/shadow link; ln -s / folder; ln -s /proc/self/environ env; ln -s ../RUNBOOK.md inside',
      'mkfifo pipe; truncate -s 5T huge 2>/dev/null; truncate -s 3G sparse; cp /usr/bin/id set; chmod 6755 set',
      'mknod device c 1 3 2>/dev/null && echo made > made; ln fine.md hard; echo closed > closed; chmod 000 closed',
      "echo n > \"$(printf 'two\\nlines')\"; echo d > ..dots; echo b > 'back\\slash'; mkdir locked; echo l > locked/in; chmod 000 locked",
      'python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'socket\')"',
    ].join('\n')
    const { run, outputs, warnings } = await carryOut(script)
    expect(run.error).toBeNull()
    const names = outputs.results_files.map((file: Body) => file.relative_path)
    expect(names).toEqual(expect.arrayContaining(['fine.md', 'hard', 'deep/er/x.txt']))
    for (const name of names) expect(name).not.toMatch(/(^|\/)\.\.(\/|$)|\n|^\//)
    for (const name of ['link', 'folder', 'env', 'inside', 'pipe', 'sparse', 'set', 'device', 'made', 'socket']) {
      expect(names).not.toContain(name)
    }
    const told = warnings.join('\n')
    for (const name of ['link', 'folder', 'env', 'pipe', 'sparse', 'set', 'socket']) expect(told).toContain(name)
    for (const file of outputs.results_files) {
      expect(JSON.stringify(await contentOf(file))).not.toMatch(/root:|daemon:/)
    }
    expect(outputs.results_files.reduce((sum: number, file: Body) => sum + file.size, 0)).toBeLessThan(10_000)
  }, 180_000)

  it('is capped in number, with a warning, and what was declared is among it', async () => {
    const runbook = `---\nprimary_outputs: zz/last.md\n---\n# Many\n\n\`\`\`sh\nmkdir -p /app/results/zz; cd /app/results\npython3 -c "for n in range(800): open(f'n{n}', 'w').write('x')"\necho done > zz/last.md\n\`\`\`\n`
    const { body } = await jetty.call('POST', '/v1/chat/completions', {
      model: 'scripted',
      messages: [{ role: 'system', content: runbook }],
      jetty: { collection: 'acme', task: 'many', agent: 'scripted' },
    })
    expect(body.jetty.status).toBe('completed')
    const { body: run } = await jetty.call('GET', body.jetty.poll_url)
    const { outputs } = run.steps.run
    expect(outputs.results_files).toHaveLength(keptFiles)
    expect(outputs.primary_files).toEqual([expect.stringContaining('last')])
    const { body: log } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?limit=1000`)
    expect(JSON.stringify(log)).toMatch(/more|beyond/)
  }, 180_000)

  it('is ended where there are more files than there may be', async () => {
    const { run, outputs } = await carryOut(
      `cd /app/results; python3 -c "for n in range(3000): open(f'n{n}', 'w').close()"; sleep 600`,
    )
    expect(run.status).toBe('failed')
    expect(outputs.failure_reason).toBe('disk_full')
  }, 180_000)
})

describe('an archive that is handed in', () => {
  /** Packs with Python, which packs whatever it is told; sizes are of zeros. */
  const zip = (members: [name: string, text: string | number, mode?: number][]): Buffer => {
    const program = `
import io, json, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
  for name, text, mode in json.load(sys.stdin):
    member = zipfile.ZipInfo(name); member.compress_type = zipfile.ZIP_DEFLATED; member.create_system = 3
    member.external_attr = mode << 16
    archive.writestr(member, '\\0' * text if isinstance(text, int) else text)
sys.stdout.buffer.write(out.getvalue())`
    const input = JSON.stringify(members.map(([name, text, mode = 0o100644]) => [name, text, mode]))
    const { status, stdout, stderr } = spawnSync('python3', ['-c', program], { input, maxBuffer: 2 ** 26 })
    if (status !== 0) throw new Error(stderr.toString())
    return stdout
  }
  const upload = async (bytes: Buffer): Promise<string> => {
    const form = new FormData()
    form.append('collection', 'acme')
    form.append('file', new File([new Uint8Array(bytes)], 'input.zip'))
    return (await jetty.call('POST', '/api/v1/files/upload', form)).body.path
  }
  const listing =
    'cd /app; find assets uploads -type f | sort > results/found; find / -name slipped >> results/found 2>/dev/null; true'

  it('is unpacked below the assets', async () => {
    const path = await upload(
      zip([
        ['a/b.txt', 'x'],
        ['c.txt', 'y'],
      ]),
    )
    const { outputs, run } = await carryOut(listing, { file_paths: [path] })
    expect(run.error).toBeNull()
    expect(await contentOf(named(outputs, 'found'))).toMatch(/assets\/(.*\/)?a\/b\.txt\n/)
  }, 180_000)

  it.each<[string, [string, string | number, number?][], RegExp]>([
    [
      'leads above',
      [
        ['ok', 'x'],
        ['../../../slipped', 'x'],
      ],
      /slipped/,
    ],
    ['is absolute', [['/tmp/slipped', 'x']], /slipped/],
    ['leads above with backslashes', [['..\\..\\slipped', 'x']], /slipped/],
    [
      'goes through a link',
      [
        ['d', '/tmp', 0o120777],
        ['d/slipped', 'x'],
      ],
      /symbolic link/,
    ],
    ['is a bomb', [['zeros', 8 * 1024 * 1024]], /JETTY_RUNBOOK_INPUT_BYTES|more than/],
    ['is a device', [['slipped', '', 0o020666]], /neither a file nor a folder/],
  ])(
    'is refused where a member %s: nothing is begun, and it is said which',
    async (_what, members, said) => {
      const path = await upload(zip(members))
      const { run, outputs } = await carryOut(listing, { file_paths: [path] })
      expect(run.status).toBe('failed')
      expect(run.error).toMatch(said)
      expect(outputs?.results_files ?? []).toEqual([])
      for (const place of ['/tmp/slipped', join(jetty.dataDir, 'slipped'), join(jetty.dataDir, 'sandboxes/slipped')]) {
        expect(existsSync(place)).toBe(false)
      }
    },
    180_000,
  )
})

it('nothing of all that is left', async () => {
  expect(readdirSync(join(jetty.dataDir, 'sandboxes'))).toEqual([])
})
