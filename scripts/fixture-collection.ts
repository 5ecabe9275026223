import type { Client } from '../src/client/client.ts'
import { weeklyReport } from './fixture-run.ts'

const dayMs = 86_400_000
const atOnce = 20

/** Numbers between 0 and 1 that are the same at every recording. */
const makeRandom = (): (() => number) => {
  let state = 20_261_128
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const history = [
  { task: 'support-triage', description: 'Sorts what customers write, and answers what is known', runs: 420 },
  { task: 'invoice-totals', description: 'Reads invoices and adds them up', runs: 160 },
]

/** Runs of the last thirty days, sent in as runs that were executed elsewhere. */
const sendHistory = async (api: Client, collection: string): Promise<void> => {
  const random = makeRandom()
  for (const { task, description, runs } of history) {
    const step = { activity: 'litellm_chat', model: 'scripted/echo', prompt: 'Sort this' }
    await api.createTask({
      params: { collection },
      body: { name: task, description, workflow: { step_configs: { read: step }, steps: ['read'] } },
    })
    const bodies = Array.from({ length: runs }, (_, run) => {
      const created = Date.now() - 0.02 * dayMs - random() ** 1.4 * 29 * dayMs
      const seconds = 0.4 + random() ** 3 * 40
      return {
        status: random() < 0.07 ? ('failed' as const) : ('completed' as const),
        input: { ticket: 4_000 + run },
        output: { topic: ['delivery', 'invoice', 'praise'][run % 3] },
        labels: random() < 0.2 ? { reviewed: 'yes' } : {},
        author: 'triage-worker',
        created: new Date(created).toISOString(),
        completed: new Date(created + seconds * 1_000).toISOString(),
      }
    })
    for (let from = 0; from < runs; from += atOnce) {
      const part = bodies.slice(from, from + atOnce)
      await Promise.all(part.map((body) => api.ingestTrajectory({ params: { collection, task }, body })))
    }
  }
}

/** Earlier versions of the everyday task, and its routines. */
const makeVersions = async (api: Client, collection: string): Promise<void> => {
  const { task: name, description, workflow } = weeklyReport
  const init_params = { topic: 'harbours of the north', words: 120, tone: 'plain' }
  const input_schema = {
    required: ['topic'],
    properties: {
      topic: { type: 'string', title: 'Topic', description: 'What the report is about' },
      words: { type: 'integer', title: 'Words', minimum: 20, maximum: 2_000 },
      tone: { type: 'string', title: 'Tone', enum: ['plain', 'formal', 'cheerful'] },
    },
  }
  const older = structuredClone(workflow)
  Object.assign(older.step_configs?.draft ?? {}, { temperature: 0.9, system_prompt: 'Write a report.' })
  const as = (flow: typeof workflow) => ({ ...flow, init_params, input_schema })
  await api.createTask({
    params: { collection },
    body: { name, description, workflow: as(older), has_file_uploads: true },
  })
  const at = { collection, task: name }
  const note = 'Shorter, and less inventive'
  await api.updateTask({ params: at, body: { workflow: as(workflow), note } })
  await api.createRoutine({
    params: at,
    body: { name: 'monday', cadence: { type: 'cron', expression: '0 7 * * mon', time_zone: 'Europe/Berlin' } },
  })
  await api.createRoutine({
    params: at,
    body: { name: 'quarterly', cadence: { type: 'cron', expression: '0 8 1 */3 *' }, paused: true },
  })
}

/** Everything of the recorded collection that is no run of `fixture-runs.ts`. */
export const prepareCollection = async (api: Client, collection: string, modelUrl: string): Promise<void> => {
  for (const name of [collection, 'empty']) await api.createCollection({ body: { name } })
  const variables = { OPENAI_API_KEY: 'sk-of-the-recording', OPENAI_BASE_URL: modelUrl }
  await api.setEnvironment({ params: { collection }, body: { environment_variables: variables } })
  await sendHistory(api, collection)
  await makeVersions(api, collection)
  const faulty = { read: { activity: 'text_echo', text_path: 'init_params.topic' }, tell: { activity: 'text_echo' } }
  Object.assign(faulty.tell, { text_path: 'read.outputs.txet' })
  await api.createTask({
    params: { collection },
    body: { name: 'faulty', workflow: { init_params: { topic: 'x' }, step_configs: faulty, steps: ['read', 'tell'] } },
  })
  await api.saveView({
    params: { collection, name: 'Not reviewed' },
    body: { query: 'label_not=reviewed&status=failed' },
  })
}
