// `jetty worker run` as a process of its own: killed, frozen and thawed, drained.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'

/** Notes who begins and ends, and waits until its worker may go on. */
const slow = `import { appendFileSync, existsSync } from 'node:fs'
import { activity, z } from 'jetty-server/activity'

const me = process.env.WORKER
export default activity({
  name: 'test.slow',
  description: 'Waits for a file.',
  parameters: z.object({ folder: z.string().describe('Where the files are.') }),
  outputs: z.object({ by: z.string().describe('The worker.') }),
  async run({ folder }, { signal }) {
    const note = (what) => appendFileSync(folder + '/notes', me + ' ' + what + '\\n')
    note('began')
    while (!existsSync(folder + '/' + me) && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20))
    note(signal.aborted ? 'aborted' : 'ended')
    return { by: me }
  },
})`

let jetty: TestServer
let key: string
let program: string
let home: string
const children: ChildProcess[] = []

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'jetty-own-'))
  mkdirSync(join(home, 'activities'))
  writeFileSync(join(home, 'activities/slow.mjs'), slow)
  program = await builtProgram()
  jetty = await startTestServer({ env: { JETTY_WORKER_LEASE_SECONDS: '2', JETTY_WORKER_LOSSES: '100' } })
  const body = { name: 'w', collection_name: 'acme', access_level: 'WORKER' }
  key = (await jetty.call('POST', '/api/v1/api-keys', body)).body.api_key
}, 120_000)
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(async () => {
  await jetty?.close()
  rmSync(home, { recursive: true, force: true })
})

const startWorker = (name: string, args = [join(home, 'activities')]) => {
  const env = { PATH: process.env.PATH, HOME: home, NO_COLOR: '1', JETTY_API_URL: jetty.url, JETTY_API_TOKEN: key }
  const child = spawn(process.execPath, [program, 'worker', 'run', ...args, '--name', name], {
    env: { ...env, WORKER: name },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  let said = ''
  child.stderr?.on('data', (chunk) => (said += chunk))
  return { child, said: () => said, ended: once(child, 'close') }
}

/** A run of the slow activity, in a folder of its own. */
const startRun = async () => {
  const folder = mkdtempSync(join(home, 'run-'))
  const task = await jetty.task({ step_configs: { own: { activity: 'test.slow', folder } }, steps: ['own'] })
  const { trajectory_id } = await jetty.start(task)
  const notes = () =>
    existsSync(join(folder, 'notes')) ? readFileSync(join(folder, 'notes'), 'utf8').trim().split('\n') : []
  return {
    notes,
    let: (name: string) => writeFileSync(join(folder, name), ''),
    done: () => jetty.until(task, trajectory_id, ({ status }) => status === 'completed'),
  }
}

describe('a worker process', () => {
  it('that is killed loses its job to another one', async () => {
    const run = await startRun()
    const first = startWorker('first')
    await expect.poll(run.notes).toContain('first began')
    first.child.kill('SIGKILL')
    run.let('second')
    startWorker('second')
    expect((await run.done()).steps.own.outputs).toEqual({ by: 'second' })
  })

  it('that is frozen and thawed changes nothing, drops the job, and takes the next one', async () => {
    const run = await startRun()
    const first = startWorker('first')
    await expect.poll(run.notes).toContain('first began')
    first.child.kill('SIGSTOP')
    run.let('second')
    const second = startWorker('second')
    expect((await run.done()).steps.own.outputs).toEqual({ by: 'second' })
    second.child.kill('SIGTERM')
    expect(await second.ended).toEqual([0, null])
    expect(second.said()).toContain('Stopped: the worker has no jobs left.')
    first.child.kill('SIGCONT')
    await expect.poll(run.notes).toContain('first aborted')
    expect((await run.done()).steps.own.outputs).toEqual({ by: 'second' })
    await expect.poll(first.said).toContain('lost to another worker')
    const next = await startRun()
    next.let('first')
    expect((await next.done()).steps.own.outputs).toEqual({ by: 'first' })
  })

  it('names every problem of its modules, and ends', async () => {
    writeFileSync(join(home, 'bad.mjs'), 'export const nothing = 1')
    writeFileSync(join(home, 'plain.mjs'), slow.replace('test.slow', 'slow'))
    const refused = async (file: string) => {
      const { ended, said } = startWorker('bad', [join(home, file)])
      return `${await ended} ${said()}`
    }
    expect(await refused('bad.mjs')).toMatch(/^2,.*bad\.mjs: exports no activity/s)
    expect(await refused('gone.mjs')).toMatch(/^2,.*gone\.mjs: cannot be loaded: ENOENT/s)
    expect(await refused('plain.mjs')).toMatch(/^2,.*slow: names of a worker's activities have a dot/s)
  })
})
