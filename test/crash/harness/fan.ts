import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type Client, collection } from './client.ts'
import { valueAfter } from './pure.ts'
import type { Site } from './site.ts'

/** The task of fan-outs: what the checker of runs knows nothing of is looked at here. */
export const fanTask = 'fan'

/** Starts a run of `leaf` for each item, and gathers what they put out. */
export const fan = (maxConcurrency: number): Workflow => ({
  init_params: { items: [] },
  step_configs: {
    fan: {
      activity: 'list_emit_await',
      items_path: 'init_params.items',
      spread_items: true,
      child_workflow_name: 'leaf',
      max_concurrency: maxConcurrency,
    },
    gather: {
      activity: 'extract_from_trajectories',
      trajectory_list_path: 'fan.outputs.trajectory_references',
      extract_keys: { value: 's0.outputs.value' },
    },
  },
  steps: ['fan', 'gather'],
})

/** Starts it; gives its trajectory id. */
export const startFan = async (client: Client, url: string, starts: number[]): Promise<string> => {
  const items = starts.map((start) => ({ start }))
  const { status, body } = await client.call(url, 'POST', `/run/${collection}/${fanTask}`, { init_params: { items } })
  if (status !== 200) throw new Error(`the fan-out was answered ${status} ${JSON.stringify(body)}`)
  return body.trajectory_id
}

/** Every item has one run, and its value stands at its place. */
export const faultsOfFan = async (site: Site, client: Client, url: string, id: string, starts: number[]) => {
  const { body } = await client.call(url, 'GET', `/db/trajectory/${collection}/${fanTask}/${id}`)
  if (body.status !== 'completed') return [`the parent ${id} is ${body.status}: ${body.error}`]
  const faults: string[] = []
  const gathered: number[] = body.steps.gather.outputs.by_key.value
  starts.forEach((start, at) => {
    if (gathered[at] !== valueAfter(start, 0)) faults.push(`item ${at} of ${id} gave ${gathered[at]}`)
  })
  const [made] = await site.rows<{ total: number; distinct: number }>(
    `select count(*)::int total, count(distinct child_index)::int "distinct" from runs
     where parent_id = (select id from runs where trajectory_id = $1)`,
    [id],
  )
  if (made?.total !== starts.length || made.distinct !== starts.length) {
    faults.push(`${starts.length} items led to ${made?.total} runs, of ${made?.distinct} items`)
  }
  return faults
}
