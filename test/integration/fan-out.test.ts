import { appendFile, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { activity } from '../../src/activities/activity.ts'
import { type Body, startTestServer, type TestServer } from '../server.ts'

const folder = await mkdtemp(join(tmpdir(), 'jetty-effects-'))
const effects = join(folder, 'effects')

/** What has executed so far: one line an execution. */
const effectsOf = async (mark: string): Promise<string[]> =>
  (await readFile(effects, 'utf8')).split('\n').filter((line) => line.startsWith(`${mark} `))

let working = 0
let mostWorking = 0

/** Writes down that it was executed, works for a moment, and fails where it is told to. */
const effect = activity({
  name: 'effect',
  category: 'control',
  description: 'Leaves a line in a file.',
  parameters: z.object({
    mark: z.string(),
    item: z.unknown(),
    milliseconds: z.number().default(0),
    fails: z.boolean().default(false),
  }),
  outputs: z.object({ item: z.unknown(), doubled: z.unknown() }),
  example: {},
  async run({ mark, item, milliseconds, fails }, { run, signal }) {
    working++
    mostWorking = Math.max(mostWorking, working)
    await appendFile(effects, `${mark} ${run.trajectory_id}\n`)
    try {
      if (milliseconds > 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(resolve, milliseconds)
          signal.addEventListener('abort', () => {
            clearTimeout(timer)
            reject(new Error('stopped'))
          })
        })
      }
    } finally {
      working--
    }
    if (fails) throw new Error(`item ${String(item)} is no good`)
    return { item, doubled: typeof item === 'number' ? item * 2 : null }
  },
})

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    activities: [effect],
    env: { JETTY_WORKER_CONCURRENCY: '4', JETTY_MAX_FANOUT: '20000' },
  })
})
afterAll(async () => server.close())

const child = (config: Record<string, unknown> = {}) => ({
  init_params: { mark: 'none', note: 'own' },
  step_configs: {
    process: { activity: 'effect', mark_path: 'init_params.mark', item_path: 'init_params.item', ...config },
  },
  steps: ['process'],
})

const parent = (task: string, config: Record<string, unknown> = {}) => ({
  init_params: { items: [] },
  step_configs: {
    fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: task, ...config },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { doubled: 'process.outputs.doubled', item: 'init_params.item' },
    },
  },
  steps: ['fan', 'gather'],
})

const runToEnd = async (workflow: Body, initParams: Record<string, unknown>): Promise<Body> => {
  const name = await server.task(workflow)
  const { trajectory_id: id } = await server.start(name, { init_params: initParams })
  return server.until(name, id, ({ status }) => !['pending', 'running'].includes(status))
}

test('every item gets its run, and the results come back in the order of the items', async () => {
  const task = await server.task(child())
  const items = Array.from({ length: 300 }, (_, index) => index)
  const run = await runToEnd(parent(task, { child_init_params: { mark: 'order' } }), { items })
  expect(run.error).toBeNull()
  expect(run.status).toBe('completed')
  const { trajectory_references: references, ...counts } = run.steps.fan.outputs
  expect(references.map((one: Body) => one.index)).toEqual(items)
  expect(new Set(references.map((one: Body) => one.name))).toEqual(new Set([`acme/${task}`]))
  expect(counts).toMatchObject({ total: 300, completed: 300, failed: 0, not_started: 0 })
  expect(run.steps.gather.outputs.extracted_data).toEqual(items.map((item) => ({ doubled: item * 2, item })))
  expect(new Set(await effectsOf('order')).size).toBe(300)
  expect(await effectsOf('order')).toHaveLength(300)
  const first = await server.get(task, references[7].trajectory_id)
  expect(first.init_params).toEqual({ mark: 'order', note: 'own', item: 7 })
  expect(first.attributes.params.parent).toEqual({
    trajectory_id: run.trajectory_id,
    step: 'fan',
    index: 7,
    name: run.name,
  })
})
