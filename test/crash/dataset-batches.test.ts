// A batch over a split of 10,000 items survives kill -9; a new version with ten changed items runs exactly ten.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/database/database.ts'
import { pause } from '../../src/lib/time.ts'
import { createTestDatabase } from '../database.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'

const adminToken = 'dataset-batches-admin-token-5f1c9a7e'
const items = Number(process.env.DATASET_ITEMS ?? 10_000)
const changed = 10

afterAll(killJetties)

it('a batch over 10,000 items is killed, goes on, and the next one runs ten', { timeout: 1_800_000 }, async () => {
  const database = await createTestDatabase()
  const rowsOf = openDatabase(database.url)
  const folder = await mkdtemp(join(tmpdir(), 'jetty-datasets-'))
  const env = { DATABASE_URL: database.url, JETTY_DATA_DIR: folder, JETTY_ADMIN_TOKEN: adminToken, JETTY_WEB: 'off' }
  let server: JettyProcess = startJetty(env)
  let { url } = await server.ready
  const call = async (method: string, path: string, body?: unknown): Promise<Body> => {
    const answer = await callJetty(url, adminToken, method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now()
    const done = await work()
    process.stderr.write(`dataset-batches: ${what} took ${Math.round(performance.now() - begun)} ms\n`)
    return done
  }
  const ended = async (id: string): Promise<Body> => {
    for (;;) {
      const batch = await call('GET', `/batches/acme/${id}`)
      if (batch.ended !== null) return batch
      await pause(200)
    }
  }
  try {
    await call('POST', '/collections', { name: 'acme' })
    const workflow = {
      init_params: { question: '' },
      step_configs: { say: { activity: 'text_echo', text_path: 'init_params.question' } },
      steps: ['say'],
    }
    await call('POST', '/tasks/acme', { name: 'answer', workflow })
    await call('POST', '/datasets/acme', { name: 'qa', splits: { train: 60, test: 40 } })
    const rows = Array.from({ length: items }, (_, at) => ({ id: `q${at}`, data: { question: `Question ${at}?` } }))
    await timed('writing all items', () => call('POST', '/datasets/acme/qa/items', { items: rows }))
    const train = (await call('GET', '/datasets/acme/qa/items?split=train&limit=1')).total

    const first = await call('POST', '/run-batch/acme/answer', { dataset: 'qa', split: 'train', max_concurrency: 100 })
    expect(first.total).toBe(train)
    for (const share of [0.2, 0.6]) {
      while ((await call('GET', `/batches/acme/${first.batch_id}`)).progress < share) await pause(50)
      server.child.kill('SIGKILL')
      await server.exited
      server = startJetty(env)
      url = (await server.ready).url
    }
    const batch = await timed('the rest after two kills', () => ended(first.batch_id))
    expect(batch).toMatchObject({ status: 'completed', counts: { completed: train, failed: 0 } })
    const [counted] = await rowsOf.query<{ runs: number; items: number }>(
      `select count(*)::int as runs, count(distinct r.child_index)::int as items from runs r
       join runs p on p.id = r.parent_id where p.trajectory_id = '${first.batch_id}'`,
    )
    expect(counted).toEqual({ runs: train, items: train })
    const held = await call('POST', '/run-batch/acme/answer', { dataset: 'qa', split: 'test', max_concurrency: 100 })
    await timed('a batch over the other split', () => ended(held.batch_id))

    const other = rows.slice(0, changed).map(({ id }) => ({ id, data: { question: `Changed ${id}?` } }))
    await timed('changing ten items', () => call('POST', '/datasets/acme/qa/items', { items: other }))
    const stale = await timed('asking which results are stale', () =>
      call('GET', '/datasets/acme/qa/results?task=answer&state=stale&limit=100'),
    )
    expect(stale.counts).toEqual({ fresh: items - changed, item_changed: changed })
    expect(stale.items.map(({ id }: Body) => id)).toEqual(other.map(({ id }) => id))
    const again = { dataset: 'qa', changed_only: true }
    const second = await timed('starting the batch of what changed', () =>
      call('POST', '/run-batch/acme/answer', again),
    )
    expect(second).toMatchObject({ total: changed, dataset: { reused: items - changed } })
    await ended(second.batch_id)
    expect((await call('GET', '/datasets/acme/qa/results?task=answer')).counts).toEqual({ fresh: items })
  } finally {
    await server.stop()
    await rowsOf.close()
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  }
})
