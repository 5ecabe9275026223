import type { CollectionRun } from '../../src/model/runs/collection-run.ts'
import type { Fixture } from '../../web/fixtures/fixture.ts'

const collection = 'many'
const statuses = ['completed', 'completed', 'completed', 'failed', 'running', 'cancelled'] as const

const manyRun = (at: number): CollectionRun => {
  const status = statuses[at % statuses.length] ?? 'completed'
  const id = at.toString(16).padStart(8, '0')
  const created = new Date(Date.parse('2026-11-28T11:00:00Z') - at * 1000).toISOString()
  const ended = status === 'running' ? null : created
  const label = { key: 'quality', author: 'mara', value: at % 2 === 0 ? 'high' : 'low' }
  return {
    ...{ name: `${collection}/reports`, trajectory_id: id, workflow_id: `w-${id}`, collection, task: 'reports' },
    ...{ storage_path: '', status, waiting: null, waiting_for: null, created, started: created, ended },
    error: status === 'failed' ? `Step 'draft' failed: openai answered 500, attempt ${at % 4}` : null,
    ...{ duration_seconds: (at % 90) / 7, cost_usd: at / 1e5, tokens: at % 4000, models: ['openai/gpt-5.5'] },
    labels: at % 3 === 0 ? [label as CollectionRun['labels'][number]] : [],
    ...{ author: 'mara', recorded_by: 'mara', params: {}, triggered_by_routine_id: null, url: '' },
    ...{
      trigger: 'api',
      task_version: 'v',
      version_number: 3,
      steps: { done: 4, total: 5 },
      children: null,
      input_preview: `text: ${at}`,
    },
  }
}

/** A list with so many rows, loaded as one page. */
export const manyRuns = (count: number): Fixture => {
  const page = { runs: Array.from({ length: count }, (_, at) => manyRun(at)), has_more: false, next_cursor: null }
  return {
    name: 'many runs',
    page: `/${collection}/-/runs`,
    now: '2026-11-28T11:00:00Z',
    answers: {
      [`GET /api/v1/runs/${collection}?top_level=true`]: {
        ...{ status: 200, type: 'application/json' },
        body: JSON.stringify({ ...page, looked_until: null }),
      },
    },
  }
}
