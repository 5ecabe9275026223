import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { collection, makeClient } from '../harness/client.ts'
import { fanTask, startFan } from '../harness/fan.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { starts, until, untilAllEnded } from '../harness/storm.ts'

/** Runs without effects, which are written when they have ended. */
const leaf: Workflow = {
  init_params: {},
  step_configs: {
    s0: { activity: 'text_echo', text_path: 'init_params.start' },
    s1: { activity: 'text_template', template: 'number {{ s0.outputs.text }}' },
  },
  steps: ['s0', 's1'],
}

const fan: Workflow = {
  init_params: { items: [] },
  step_configs: {
    fan: {
      activity: 'list_emit_await',
      items_path: 'init_params.items',
      spread_items: true,
      child_workflow_name: 'leaf',
      max_concurrency: 100,
    },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { value: 's0.outputs.text' },
    },
  },
  steps: ['fan', 'gather'],
}

export interface UnwrittenFanOutsSize {
  children: number
  /** One for each fan-out, at a random moment; of three, one with Postgres, and one that is an orderly stop. */
  kills: number
  /** Ids that trajectories draw from; by default they do not clash. */
  ids?: number
}

/** Fan-outs whose process dies while their runs are in its memory: every item has one complete run, in its place. */
export const unwrittenFanOuts = async ({ children, kills, ids }: UnwrittenFanOutsSize): Promise<string[]> => {
  const random = seeded('unwritten fan-outs')
  const site = makeSite()
  const client = makeClient()
  const env = ids === undefined ? {} : { CRASH_TRAJECTORY_IDS: String(ids) }
  const faults: string[] = []
  try {
    let server = site.spawn(env)
    let url = await server.ready
    await client.setUp(url, { leaf, [fanTask]: fan })
    const fans: { id: string; items: number[] }[] = []
    for (let at = 0; at < kills; at++) {
      const items = starts(random, children)
      const id = await startFan(client, url, items)
      fans.push({ id, items })
      const moment = random.between(0, Math.floor(children * 0.9))
      await until(`${moment} runs`, async () => (await countsOf(site, id)).total >= moment)
      if (at % 3 === 2) await server.stop()
      else await server.kill()
      if (at % 3 === 1) site.killPostgres()
      server = site.spawn(env)
      url = await server.ready
    }
    await untilAllEnded(site)
    for (const { id, items } of fans) {
      const { body } = await client.call(url, 'GET', `/db/trajectory/${collection}/${fanTask}/${id}`)
      if (body.status !== 'completed') faults.push(`the parent ${id} is ${body.status}: ${body.error}`)
      else if (JSON.stringify(body.steps.gather.outputs.by_key.value) !== JSON.stringify(items)) {
        faults.push(`${id} gathered other values than those of its items`)
      }
      const { total, distinct, steps } = await countsOf(site, id)
      if (total !== children || distinct !== children) faults.push(`${children} items, ${total} runs of ${distinct}`)
      if (steps !== 2 * children) faults.push(`${children} runs of two steps have ${steps} steps`)
    }
    return faults
  } finally {
    await site.close()
  }
}

interface Counts {
  total: number
  distinct: number
  steps: number
}

const countsOf = async (site: Site, id: string): Promise<Counts> => {
  const [counts] = await site.rows<Counts>(
    `with below as materialized (
       select id, child_index from runs where parent_id = (select id from runs where trajectory_id = $1))
     select count(*)::int total, count(distinct child_index)::int "distinct",
       (select count(*)::int from steps where run_id in (select id from below)) steps from below`,
    [id],
  )
  return counts ?? { total: 0, distinct: 0, steps: 0 }
}
