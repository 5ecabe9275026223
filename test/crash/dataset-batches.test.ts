// A batch over a split of 10,000 items survives kill -9; a new version with ten changed items runs exactly ten. Each run
// writes a file: lineage leads from one of them back to its item, and forward to its scores.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { createTestDatabase } from '../database.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'

const adminToken = 'dataset-batches-admin-token-5f1c9a7e'
const items = Number(process.env.DATASET_ITEMS ?? 10_000)
const changed = 10
const inTurns = { max_concurrency: 100 }

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
  const ended = async (id: string, what = 'batches'): Promise<Body> => {
    for (;;) {
      const found = await call('GET', `/${what}/acme/${id}`)
      if (found.ended !== null) return found
      await pause(200)
    }
  }
  /** The file of one run of an evaluation leads to the run, its item, and the verdict on it; so does the item. */
  const checkLineage = async (evaluation: string) => {
    const { items: judged } = await call('GET', `/evaluations/acme/${evaluation}?limit=1`)
    const { key, trajectory_id: id } = judged[0]
    const [file] = await rowsOf.query<{ path: string; sha256: string }>(
      `select path, sha256 from files where run_id in (select id from runs where trajectory_id = '${id}')`,
    )
    for (const query of [`file=${file?.path}`, `dataset=qa&item=${key}`]) {
      const graph = await call('GET', `/lineage/acme?${query}`)
      const labels = new Map(graph.nodes.map((node: Body) => [node.id, node.label]))
      const edges = graph.edges.map(({ from, to, kind }: Body) => [labels.get(from), kind, labels.get(to)])
      expect(edges).toEqual([
        [`acme/qa ${key}`, 'input', `acme/answer/${id}`],
        [`acme/answer/${id}`, 'produced', file?.path.split('/').at(-1)],
        [`acme/answer/${id}`, 'scored', 'right: yes'],
      ])
      expect(graph.nodes).toContainEqual(expect.objectContaining({ type: 'file', ...file }))
      expect(graph).toMatchObject({ is_complete: true, edges: [{ dataset_version: 1, is_stale: false }, {}, {}] })
    }
  }
  try {
    await call('POST', '/collections', { name: 'acme' })
    const workflow = {
      init_params: { question: '' },
      step_configs: {
        say: { activity: 'text_echo', text_path: 'init_params.question' },
        keep: { activity: 'save_text_file', text_path: 'say.outputs.text', filename: 'answer.txt' },
      },
      steps: ['say', 'keep'],
    }
    await call('POST', '/tasks/acme', { name: 'answer', workflow })
    await call('POST', '/datasets/acme', { name: 'qa', splits: { train: 60, test: 40 } })
    const rows = Array.from({ length: items }, (_, at) => ({
      id: `q${at}`,
      data: { question: `Question ${at}?`, expected: 'yes' },
    }))
    await timed('writing all items', () => call('POST', '/datasets/acme/qa/items', { items: rows }))
    const train = (await call('GET', '/datasets/acme/qa/items?split=train&limit=1')).total

    const first = await call('POST', '/run-batch/acme/answer', { ...inTurns, dataset: 'qa', split: 'train' })
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
    const judges = [{ name: 'right', instruction: 'Is it right?', model: 'scripted/judge', binary: true }]
    const held = await call('POST', '/evaluations/acme/answer', { ...inTurns, dataset: 'qa', split: 'test', judges })
    await timed(`an evaluation of the ${items - train} items of the other split`, () =>
      ended(held.evaluation_id, 'evaluations'),
    )
    await timed('lineage of a file', () => checkLineage(held.evaluation_id))

    const other = rows
      .slice(0, changed)
      .map(({ id }) => ({ id, data: { question: `Changed ${id}?`, expected: 'yes' } }))
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
