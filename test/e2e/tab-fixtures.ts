// Answers about the tabs of tasks, made up: states that a real server is in for a moment only, and months of statistics.

import type { RunbookVerdict } from '../../src/model/runbooks/runbook.ts'
import type { RunbookPreflight } from '../../src/model/runbooks/runbook-request.ts'
import { standardRunbookWorkflow } from '../../src/model/runbooks/standard-runbook.ts'
import type { Batch, BatchSummary } from '../../src/model/runs/batch.ts'
import type { CollectionRun } from '../../src/model/runs/collection-run.ts'
import type { DailyStats } from '../../src/model/runs/daily-stats.ts'
import type { Evaluation } from '../../src/model/runs/evaluation.ts'
import { answerKey, type Fixture } from '../../web/fixtures/fixture.ts'

const collection = 'fixtures'
const at = (minutes: number): string => new Date(Date.parse('2026-11-28T11:00:00Z') + minutes * 60_000).toISOString()
const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, archived: 0 }
const url = 'http://localhost:7070/fixtures'

const taskOf = (name: string, workflow: Record<string, unknown>) => ({
  ...{ id: 1, name, entity_type: 'task', is_private: true, croissant_metadata: null, collection_id: 1 },
  ...{ collection_name: collection, version: null, description: null, has_file_uploads: false, is_chat_flow: false },
  ...{ created_at: at(0), updated_at: at(0), environment_variables: null, storage_info: null, storage_provider: null },
  ...{ workflow, input_schema: {} },
})

/** Written as a request, found under the key of its answer. */
const keyOf = (request: string): string => {
  const [method = 'GET', address = ''] = request.split(' ')
  return answerKey(method, address)
}

/** A page of a task, with answers by method and path. */
const pageOf = (task: string, search: string, answers: Record<string, unknown>, workflow = {}): Fixture => ({
  name: task,
  page: `/${collection}/${task}${search}`,
  now: '2026-11-28T12:00:00Z',
  answers: Object.fromEntries(
    Object.entries({ [`GET /api/v1/tasks/${collection}/${task}`]: taskOf(task, workflow), ...answers }).map(
      ([key, body]) => [keyOf(key), { status: 200, type: 'application/json', body: JSON.stringify(body) }],
    ),
  ),
})

const batch = (task: string, more: Partial<BatchSummary>): BatchSummary => ({
  ...{ batch_id: 'ba7c0001', name: 'november invoices', task, total: 400, status: 'running', workflow_id: 'w', url },
  version: { ref: 'production', index: 3 },
  counts: { ...none, completed: 212, failed: 3, running: 20, pending: 165 },
  ...{ progress: 0.54, cost_usd: 1.2345, max_concurrency: 20, labels: {}, author: 'mara', created: at(30) },
  ...{ ended: null, duration_seconds: null, error: null, dataset: null },
  estimate_usd: { expected: 2.2, low: 2, high: 2.5 },
  ...more,
})

const failedRun = (task: string, index: number, error: string): Partial<CollectionRun> => ({
  ...{ collection, task, trajectory_id: `fa11ed0${index}`, status: 'failed', error, created: at(31) },
  params: { batch: { batch_id: 'ba7c0001', index: index * 17 } },
})

const batches = (): Fixture => {
  const task = 'batch-running'
  const running = batch(task, {})
  const earlier = [
    batch(task, {
      batch_id: 'ba7c0002',
      name: null,
      status: 'completed',
      ended: at(9),
      counts: { ...none, completed: 400 },
    }),
    batch(task, {
      ...{ batch_id: 'ba7c0003', name: 'with an unusually long name that does not fit into its column at all' },
      ...{ status: 'cancelled', ended: at(5), counts: { ...none, completed: 10, cancelled: 390 } },
    }),
  ]
  const runs = [
    failedRun(task, 1, "Step 'draft' failed: litellm_chat: openai answered 500"),
    failedRun(task, 2, `Step 'read' failed: ${'x'.repeat(300)}`),
    failedRun(task, 3, '<script>alert(1)</script>'),
  ]
  return pageOf(task, '?tab=batches', {
    [`GET /api/v1/batches/${collection}?task=${task}`]: { batches: [running, ...earlier], next_cursor: 'more' },
    [`GET /api/v1/batches/${collection}/ba7c0001`]: { ...running, errors: [] } satisfies Batch,
    [`GET /api/v1/runs/${collection}?parent_id=ba7c0001&status=failed`]: { runs, has_more: false, next_cursor: null },
  })
}

const judged = { n: 31, failed: 1, mean: 7.5, standard_deviation: 1, counts: null, comparison: null } as const

const evaluations = (): Fixture => {
  const task = 'evaluation-running'
  const facts = {
    ...{ evaluation_id: 'e7a10001', name: 'tone, second try', task, status: 'running' as const, total: 80 },
    version: { ref: '~-1', index: 4 },
    ...{
      dataset: null,
      baseline: null,
      author: 'admin',
      created: at(30),
      ended: null,
      duration_seconds: null,
      error: null,
      url,
    },
  }
  const evaluation: Evaluation = {
    ...{ ...facts, output_path: 'answer.outputs.text', progress: 0.41, cost_usd: null, comparison: null, passed: null },
    ...{ runs: { completed: 32, running: 8 }, judgements: { completed: 31, failed: 1 }, items_total: 1 },
    ...{ page: 1, limit: 25, has_more: false, estimate_usd: null },
    judges: [
      {
        ...{ ...judged, name: 'clarity', model: 'gpt-5.5', instruction: 'Would a newcomer understand it?' },
        ...{ scale: { min: 1, max: 10 }, interval: { low: 7.1, high: 7.9, level: 0.95, method: 't' } },
      },
      {
        ...{ ...judged, name: 'kind', model: 'gpt-5.5', instruction: 'What kind of answer is it?', mean: null },
        ...{ categories: ['solved', 'evaded'], counts: { solved: 30, evaded: 1 }, interval: null },
      },
    ],
    thresholds: [
      {
        judge: 'clarity',
        rule: 'min_mean',
        limit: 8,
        value: 7.5,
        passed: false,
        reason: 'the mean over 31 items is 7.5',
      },
    ],
    items: [
      {
        ...{
          key: 'q12',
          index: 12,
          item_id: null,
          dataset_version: null,
          status: 'failed',
          trajectory_id: 'fa11ed01',
          error: 'openai answered 500',
        },
        ...{ init_params: { question: 'How long is the jetty of Busan?' }, verdicts: {}, reused_from: null },
      },
    ],
  }
  return pageOf(task, '?tab=evaluations', {
    [`GET /api/v1/evaluations/${collection}?task=${task}`]: {
      evaluations: [{ ...facts, judges: ['clarity', 'kind'] }],
      next_cursor: null,
    },
    [`GET /api/v1/evaluations/${collection}/e7a10001?items=all&page=1`]: evaluation,
  })
}

const stats = (): Fixture => {
  const task = 'stats-month'
  const figures = (day: number) => ({
    runs: { total: 40 + day, by_status: { ...none, completed: 40, failed: day % 7 } },
    ...{ p50_duration_seconds: 2 + (day % 5), p95_duration_seconds: 9 + (day % 3), cost_usd: 0.4 + day / 50 },
    ...{ tokens: 12_000, calls: 80 },
  })
  const rows = Array.from({ length: 28 }, (_, day) => ({
    key: `2026-11-${String(day + 1).padStart(2, '0')}`,
    ...figures(day),
  }))
  const window = { collection, from: '2026-10-30', to: '2026-11-28' }
  const byDay: DailyStats = { ...window, label: null, by: 'day', rows, totals: figures(0) }
  const models = ['anthropic/claude-sonnet-4-6', 'openai/gpt-5.5'].map((key, at) => ({
    key,
    ...figures(at),
    runs: null,
  }))
  const byModel: DailyStats = { ...window, label: null, by: 'model', rows: models, totals: figures(0) }
  return pageOf(task, '?tab=stats', {
    [`GET /api/v1/db/stats/${collection}/${task}`]: {
      ...{ collection, task, name: `${collection}/${task}`, total: 1_480, total_runs: 1_480, completed: 1_400 },
      ...{ failed: 80, running: 0, by_status: { ...none, completed: 1_400, failed: 80 }, success_rate: 0.94 },
      ...{ avg_duration_seconds: 3, min_duration_seconds: 1, max_duration_seconds: 90, p50_duration_seconds: 3 },
      ...{ p95_duration_seconds: 11, first_run: at(0), last_run: at(30), labels: {} },
      steps: { draft: { count: 1_480, failed: 80, avg_duration_seconds: 2.5 } },
    },
    [`GET /api/v1/stats/${collection}?by=day&from=2026-10-30&task=${task}`]: byDay,
    [`GET /api/v1/stats/${collection}?by=model&from=2026-10-30&task=${task}`]: byModel,
    [`GET /api/v1/runs/${collection}?task=${task}`]: {
      ...{ has_more: true, next_cursor: 'x' },
      runs: [7, 7, 6, null].map((version) => ({
        ...{ version_number: version, status: 'completed', duration_seconds: 2, cost_usd: 0.01, tokens: 310 },
      })),
    },
  })
}

const text = `---
version: 1.0.0
agent: nobody
secrets:
  apify: {env: APIFY_API_TOKEN}
---

# Leads — Agent Runbook

Find {{count}} companies in {{city}}, and write \`{{results_dir}}/leads.csv\`.

\`\`\`sh
curl "https://api.example.com/search?q={{city}}"
\`\`\`
`

const runbook = (): Fixture => {
  const task = 'runbook-faults'
  const verdict: RunbookVerdict = {
    ...{ valid: false, level: null },
    errors: [
      { line: 3, column: 8, rule: 'R4', message: 'There is no agent nobody', fix: 'Name one of claude-code, codex.' },
    ],
    warnings: [{ line: 10, column: 25, rule: 'R2', message: '{{city}} has no row', fix: 'List it as a parameter.' }],
    parameters: [
      { name: 'count', description: 'How many companies', default: '20', required: false },
      { name: 'city', description: 'Where they are', default: null, required: true },
    ],
  }
  const check = (name: string, state: 'ok' | 'warning' | 'failed', found: string, field: string | null = null) => ({
    ...{ name, state, found, field },
    fix: state === 'ok' ? null : 'Set it in the environment of the collection.',
  })
  const preflight: RunbookPreflight = {
    ready: false,
    checks: [
      check('runbook', 'ok', 'It can be read'),
      check('secrets', 'failed', 'APIFY_API_TOKEN is not configured', 'secrets'),
      check('variables', 'failed', 'No value for city', 'template_variables'),
      check('sandbox', 'ok', 'bubblewrap: isolated'),
      check('snapshot', 'warning', 'curl is not in python312-uv', 'snapshot'),
    ],
    ...{ agent: null, model: null, model_provider: null, snapshot: 'python312-uv', image: null },
    ...{ missing_variables: ['city'], missing_secrets: ['APIFY_API_TOKEN'] },
  }
  return pageOf(
    task,
    '?tab=runbook',
    {
      'POST /api/v1/runbooks/validate': verdict,
      'POST /api/v1/runbooks/preflight': preflight,
      [`GET /v1/models?collection=${collection}`]: { object: 'list', data: [] },
    },
    standardRunbookWorkflow({ instruction: text, vars: {} }),
  )
}

/** Tabs of tasks in states worth a look. */
export const tabFixtures: readonly Fixture[] = [batches(), evaluations(), stats(), runbook()]
