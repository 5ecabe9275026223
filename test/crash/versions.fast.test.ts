// A batch, and a step that names a task at a tag, go on with the version that they began with: the server is killed, the
// tag moves, and the task is edited meanwhile.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { callJetty, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'

const token = 'admin-token-of-the-versions-test'
let database: TestDatabase
let folder: string
beforeAll(async () => {
  database = await createTestDatabase()
  folder = mkdtempSync(join(tmpdir(), 'jetty-versions-'))
})
afterAll(async () => {
  await killJetties()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const start = () => startJetty({ DATABASE_URL: database.url, JETTY_DATA_DIR: folder, JETTY_ADMIN_TOKEN: token })

const saying = (text: string) => ({
  init_params: { name: '' },
  step_configs: {
    wait: { activity: 'sleep', seconds: 0.3 },
    say: { activity: 'text_template', template: `${text} {{ init_params.name }}` },
  },
  steps: ['wait', 'say'],
})

it('no run of a batch or a step has another version after a kill', { timeout: 240_000 }, async () => {
  let server = start()
  let { url } = await server.ready
  const call = async (method: string, path: string, body?: unknown): Promise<Body> => {
    const answer = await callJetty(url, token, method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const until = async (path: string, isSo: (found: Body) => boolean): Promise<Body> => {
    for (;;) {
      const found = await call('GET', path)
      if (isSo(found)) return found
      await pause(50)
    }
  }
  const hasEnded = ({ ended }: Body) => ended !== null
  await call('POST', '/collections', { name: 'acme' })
  await call('POST', '/tasks/acme', { name: 'report', workflow: saying('old') })
  await call('PUT', '/tasks/acme/report/tags/stable', { version: '0' })
  const items = Array.from({ length: 6 }, (_, at) => ({ name: `n${at}` }))
  const fan = { activity: 'list_emit_await', items_path: 'init_params.items', spread_items: true, max_concurrency: 1 }
  const workflow = {
    init_params: { items },
    step_configs: { fan: { ...fan, child_workflow_name: 'report@stable' } },
    steps: ['fan'],
  }
  await call('POST', '/tasks/acme', { name: 'caller', workflow })

  const batch = (await call('POST', '/run-batch/acme/report', { items, max_concurrency: 1 })).batch_id
  const run = (await call('POST', '/run/acme/caller', {})).trajectory_id
  await until(`/batches/acme/${batch}`, ({ counts }) => counts.completed > 0)
  await until(`/runs/acme?parent_id=${run}&status=completed`, ({ runs }) => runs.length > 0)
  server.child.kill('SIGKILL')
  await server.exited
  server = start()
  url = (await server.ready).url
  await call('PUT', '/tasks/acme/report', { workflow: saying('new') })
  await call('PUT', '/tasks/acme/report/tags/stable', { version: '1' })

  await until(`/batches/acme/${batch}`, hasEnded)
  const { results } = await call('GET', `/batches/acme/${batch}/results`)
  expect(results.map(({ outputs }: Body) => outputs.text)).toEqual(items.map(({ name }) => `old ${name}`))
  await until(`/db/trajectory/acme/caller/${run}`, hasEnded)
  const { runs } = await call('GET', `/runs/acme?parent_id=${run}`)
  expect(runs).toHaveLength(items.length)
  for (const { trajectory_id: id } of runs) {
    const child = await call('GET', `/db/trajectory/acme/report/${id}`)
    expect(child.steps.say.outputs.text).toMatch(/^old n\d$/)
    expect(child.attributes.params.version).toEqual({ ref: 'stable', index: 0 })
  }
  await server.stop()
})
