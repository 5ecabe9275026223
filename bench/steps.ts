/** http_request, transform and script as steps of a run, against the same work without a server. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import jsonata from 'jsonata'
import { request } from 'undici'
import { openDatabase } from '../src/store/database/database.ts'
import { median, parts, percentile } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { type Stage, stage } from './lib/stage.ts'

const steps = 50
/** A script takes a process, so fewer of them say as much. */
const scripts = 10
const runs = isQuick ? 3 : 6
const rows = Array.from({ length: 500 }, (_, id) => ({ id, status: id % 3 ? 'open' : 'closed', amount: id * 1.5 }))
const body = JSON.stringify(rows)
const expression = 'rows[status = "open"].{"id": id, "total": $round(amount * 1.1, 2)}'

const pythonCode = 'print(1 + 1)'
const javascriptCode = 'console.log(1 + 1)'
const execute = promisify(execFile)
/** Without the variables of this shell, some of which make programs load more. */
const bare = (program: string, args: string[]) =>
  execute(program, args, { env: { PATH: '/usr/local/bin:/usr/bin:/bin' } })

/** As little of bubblewrap as starts a program: what no sandbox can be faster than. */
const inBwrap = (program: string, args: string[]) => {
  const links = ['bin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`])
  const folder = dirname(program)
  const mounts = [
    '--ro-bind',
    '/usr',
    '/usr',
    ...links,
    '--ro-bind',
    folder,
    folder,
    '--proc',
    '/proc',
    '--dev',
    '/dev',
  ]
  return bare('bwrap', ['--unshare-all', '--die-with-parent', ...mounts, '--', program, ...args])
}

/** So many times the same step, each after the other. */
const repeated = (config: object, count = steps) => {
  const names = Array.from({ length: count }, (_, at) => `step_${at}`)
  return { init_params: { rows }, step_configs: Object.fromEntries(names.map((name) => [name, config])), steps: names }
}

const timed = async (work: () => Promise<unknown>, count = steps * runs): Promise<number[]> => {
  const samples: number[] = []
  for (let at = 0; at < count; at++) {
    const begun = performance.now()
    await work()
    samples.push(performance.now() - begun)
  }
  return samples
}

const measure = async ({ report, jetty, createDatabase }: Stage): Promise<void> => {
  const service = createServer((_, response) => response.setHeader('content-type', 'application/json').end(body))
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  const { port } = service.address() as AddressInfo
  const address = `http://127.0.0.1:${port}/rows`
  const databaseUrl = await createDatabase('ours')
  const server = await jetty({
    environment: { DATABASE_URL: databaseUrl, JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${port}` },
  })
  const workflows = {
    echo: repeated({ activity: 'text_echo', text: 'x' }),
    http_request: repeated({ activity: 'http_request', url: address }),
    python: repeated({ activity: 'script', language: 'python', code: pythonCode }, scripts),
    javascript: repeated({ activity: 'script', language: 'javascript', code: javascriptCode }, scripts),
    shell: repeated({ activity: 'script', language: 'shell', code: 'echo 2' }, scripts),
    transform: repeated({ activity: 'transform', input: { rows_path: 'init_params.rows' }, expression }),
  }
  for (const [name, workflow] of Object.entries(workflows)) {
    await server.call('POST', '/api/v1/tasks/demo', { name, workflow })
    for (let at = 0; at < runs; at++) await server.call('POST', `/api/v1/run-sync/demo/${name}`, {})
  }
  const database = openDatabase(databaseUrl, { connections: 1 })
  const stepMs = async (task: string): Promise<number[]> => {
    const found = await database.query<{ ms: number }>(
      `select extract(epoch from s.ended_at - s.started_at)::float8 * 1000 as ms
       from runs r join tasks t on t.id = r.task_id join steps s on s.run_id = r.id
       where t.name = $1 and s.status = 'completed' and s.seq > 0`,
      [task],
    )
    return found.map(({ ms }) => ms)
  }
  const evaluated = jsonata(expression)
  const samples = {
    'script in Python': await stepMs('python'),
    'the same with python3': await timed(() => bare('/usr/bin/python3', ['-c', pythonCode]), scripts * runs),
    'the same with python3 in bwrap': await timed(
      () => inBwrap('/usr/bin/python3', ['-c', pythonCode]),
      scripts * runs,
    ),
    'script in JavaScript': await stepMs('javascript'),
    'the same with node': await timed(() => bare(process.execPath, ['-e', javascriptCode]), scripts * runs),
    'the same with node in bwrap': await timed(() => inBwrap(process.execPath, ['-e', javascriptCode]), scripts * runs),
    'script for the shell': await stepMs('shell'),
    'the same with bash': await timed(() => bare('/usr/bin/bash', ['-c', 'echo 2']), scripts * runs),
    'the same with bash in bwrap': await timed(() => inBwrap('/usr/bin/bash', ['-c', 'echo 2']), scripts * runs),
    'text_echo, a step that does nothing': await stepMs('echo'),
    http_request: await stepMs('http_request'),
    'the same with undici': await timed(async () => (await request(address)).body.json()),
    transform: await stepMs('transform'),
    'the same with jsonata': await timed(() => evaluated.evaluate({ rows })),
  }
  await database.close()
  service.close()
  report.table(`one step over ${rows.length} rows (${body.length} bytes), ms`, [
    ['', 'steps', 'p50', 'p99'],
    ...Object.entries(samples).map(([name, all]) => [
      name,
      String(all.length),
      percentile(all, 0.5),
      percentile(all, 0.99),
    ]),
  ])
  const p50s = (name: keyof typeof samples) => parts(samples[name], runs).map(median)
  const over = (name: keyof typeof samples, floor: keyof typeof samples) => {
    const floors = p50s(floor)
    return p50s(name).map((ms, at) => ms - (floors[at] ?? Number.NaN))
  }
  report.aim('script over python3', over('script in Python', 'the same with python3'), 'at most', 60, ' ms')
  report.aim('script over node', over('script in JavaScript', 'the same with node'), 'at most', 60, ' ms')
  report.aim('script over bash', over('script for the shell', 'the same with bash'), 'at most', 60, ' ms')
  report.figure('http_request over undici', over('http_request', 'the same with undici'), ' ms')
  report.figure('transform over jsonata', over('transform', 'the same with jsonata'), ' ms')
}

await stage('steps', measure, { needed: ['bwrap', 'python3'] })
