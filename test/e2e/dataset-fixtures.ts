// Answers about datasets, made up: results in every state, versions that differ, and names that are too long.
import type { Client } from '../../src/client/client.ts'
import { answerKey, type Fixture } from '../../web/fixtures/fixture.ts'

type Answer<Name extends keyof Client> = NonNullable<Awaited<ReturnType<Client[Name]>>>

const collection = 'fixtures'
const name = 'questions'
const at = (minutes: number): string => new Date(Date.parse('2026-11-28T11:00:00Z') + minutes * 60_000).toISOString()
const long = 'a-question-whose-id-somebody-took-from-a-file-without-thinking-of-those-who-read-it-on-a-phone'
const hash = 'c0ffee'.repeat(10).padEnd(64, '0')
const place = `/api/v1/datasets/${collection}/${name}`

const listed: Answer<'listDatasets'>[number] = {
  ...{ id: 1, name, description: null, long_description: 'What customers ask, with the answers of the experts' },
  ...{ data_path: null, format: 'csv', collection_id: 1, collection_name: collection, metadata_version: '1.2.0' },
  ...{ dataset_metadata: null, preview_type: null, entity_type: 'dataset', asset_origin: null, is_private: true },
  croissant_metadata: { '@type': 'sc:Dataset', name, license: 'CC0', distribution: [{ name: 'questions.csv' }] },
}
const dataset: Answer<'getDataset'> = {
  ...{ ...listed, item_schema: { type: 'object', required: ['question'] }, splits: { train: 80, test: 20 } },
  ...{ version: 7, created_at: at(-5000), updated_at: at(10) },
}
const item: Answer<'getItem'> = {
  ...{
    id: 'harbours',
    data: { question: 'How many harbours are there?', expected: { count: 3 } },
    split: 'test',
    hash,
  },
  source: { collection, task: 'answer', trajectory_id: '1f2e3d4c', output_path: null, corrected: true },
  ...{ version: 7, author: 'api-key:mara', created_at: at(10) },
}
const items: Answer<'listItems'> = {
  ...{ version: 7, total: 40, next_cursor: null },
  items: Array.from({ length: 40 }, (_, index) => ({
    ...item,
    id: index === 0 ? 'harbours' : index === 3 ? long : `question-${index}`,
    data: { question: `<b>What</b> is ${'very '.repeat(index)}long?`, expected: index },
    split: index % 5 === 0 ? 'test' : 'train',
    source: null,
  })),
}
const revisions: Answer<'listItemRevisions'> = {
  revisions: [
    { ...item, until_version: null },
    { ...item, data: { question: 'How many harbours?', expected: 2 }, version: 2, until_version: 7, author: 'admin' },
  ],
  next_cursor: null,
}
const run = (id: string, status: 'completed' | 'failed' | 'running', version: number) => ({
  ...{ id, label: id, type: 'run' as const, task: 'answer', trajectory_id: id, status, task_version: version },
  ...{ workflow_hash: hash, batch_id: 'ba7c0001' },
})
const input = { kind: 'input' as const, from: 'item', item_hash: hash }
const noInput = { dataset_version: null, item_hash: null, is_stale: null }
const lineage: Answer<'getLineage'> = {
  nodes: [
    {
      ...{ id: 'item', label: 'harbours', type: 'item', collection, dataset: name },
      item_id: 'harbours',
      current_hash: hash,
    },
    run('9c1e04aa', 'running', 4),
    run('3a87272f', 'completed', 3),
    run('0ffdedc2', 'failed', 3),
    { id: 's', label: 'quality', type: 'score', key: 'quality', value: '4 of 5', author: 'judge' },
    { id: 'f', label: 'answer.md', type: 'file', path: `${collection}/answer/3a87272f/answer.md`, sha256: hash },
  ],
  edges: [
    { ...input, to: '9c1e04aa', dataset_version: 7, is_stale: false },
    { ...input, to: '3a87272f', dataset_version: 5, is_stale: true },
    { ...input, to: '0ffdedc2', dataset_version: 5, is_stale: true },
    { ...noInput, from: '3a87272f', to: 's', kind: 'scored' },
    { ...noInput, from: '3a87272f', to: 'f', kind: 'produced' },
  ],
  is_complete: false,
}
const manyRuns = Array.from({ length: 40 }, (_, at) => run(`run-${at}`, at % 9 === 0 ? 'failed' : 'completed', 4))
const itemLineage: Answer<'getLineage'> = {
  nodes: [
    ...lineage.nodes.map((node) => (node.id === 'f' ? { ...node, label: `${long}.md` } : node)),
    ...manyRuns,
    { id: 'made', label: `${collection}/summaries`, type: 'dataset', collection, dataset: 'summaries', version: 9 },
    { id: 'router', label: `${collection}/router`, type: 'model', collection, model: 'router', version: 2 },
  ],
  edges: [
    ...lineage.edges,
    ...manyRuns.map(({ id }) => ({ ...input, to: id, dataset_version: 7, is_stale: false })),
    { ...noInput, from: '3a87272f', to: 'made', kind: 'produced', dataset_version: 8 },
    { ...noInput, from: 'made', to: 'router', kind: 'declared' },
  ],
  is_complete: false,
}
const itemCheck: Answer<'checkItems'> = {
  ...{ added: 2, changed: 1, removed: 0, unchanged: 3, count: 42, refused_count: 2 },
  refused: [
    { line: 4, id: 'question-4', pointer: '', message: "must have required property 'question'" },
    { line: 7, id: long, pointer: '/expected/count', message: 'must be integer' },
  ],
  items: [
    { line: 1, id: 'harbours', change: 'changed', data: { question: 'How many harbours are there?' } },
    { line: 2, id: long, change: 'added', data: { question: `<b>What</b> is ${'very '.repeat(60)}long?` } },
    { line: 3, id: 'question-3', change: 'unchanged', data: { question: 'Where?' } },
  ],
}
const states = ['fresh', 'item_changed', 'task_changed', 'running', 'failed', 'missing'] as const
const results: Answer<'listDatasetResults'> = {
  ...{ version: 7, task: 'answer', next_cursor: null },
  counts: { fresh: 31, item_changed: 1, task_changed: 4, running: 1, failed: 1, missing: 2 },
  items: states.map((state, index) => ({
    ...{ id: index === 2 ? long : `question-${index}`, state, hash },
    run:
      state === 'missing'
        ? null
        : {
            ...{ trajectory_id: `3a8727${index}f`, status: state === 'failed' ? 'failed' : 'completed', ended: at(20) },
            error: state === 'failed' ? "Step 'ask' failed: openai answered 500" : null,
            ...{ batch_id: 'ba7c0001', dataset_version: 5, item_hash: hash, workflow_hash: hash },
          },
  })),
}
const expected = { expected: 0.31, low: 0.28, high: 0.35 }
const estimate: Answer<'estimateTask'> = {
  ...{
    task: 'answer',
    count: 7,
    reused: 0,
    cost_usd: expected,
    duration_seconds: { expected: 140, low: 120, high: 171 },
  },
  ...{ unknown_calls: 0, level: 0.9, parts: [], earlier: { jobs: 4, largest_error: 0.12, correction: 1.03 } },
}
const version = (index: number) => ({
  ...{ index, transaction_id: index, content_hash: hash, tags: index === 5 ? ['gold', '1.2.0'] : [] },
  ...{ created_at: at(index), operation_type: index === 0 ? ('INSERT' as const) : ('UPDATE' as const) },
  author: index % 2 === 0 ? 'admin' : 'api-key:mara',
})
const history: Answer<'listDatasetVersions'> = {
  ...{ entity_name: name, entity_type: 'dataset', collection_name: collection, total_versions: 8 },
  versions: [7, 6, 5, 4, 3, 2, 1, 0].map((index) => ({ ...version(index), changeset: null })),
}
const differences: Answer<'diffItems'> = {
  ...{ from: 6, to: 7, next_cursor: null },
  items: [
    { id: 'harbours', change: 'changed', before: { expected: 2 }, after: { expected: 3 } },
    { id: long, change: 'added', before: null, after: { question: 'Why?' } },
    { id: 'question-9', change: 'removed', before: { question: 'Where?' }, after: null },
  ],
}
const plainColumn = { nulls: 0, distinct: 60, min: null, max: null }
const preview: Answer<'previewDatasetData'> = {
  ...{ format: 'parquet', row_count: 1_250_000, truncated: true, member: 'part-0.parquet' },
  columns: [
    { ...plainColumn, name: 'id', type: 'integer', min: 1, max: 60 },
    { ...plainColumn, name: 'question', type: 'text', min: 'How?', max: 'Why?' },
    { ...plainColumn, name: 'where_it_was_asked_and_by_whom', type: 'object', nulls: 12 },
    { ...plainColumn, name: 'score', type: 'number', min: 0.5, max: 30 },
    { ...plainColumn, name: 'photo', type: 'skipped' },
    ...Array.from({ length: 35 }, (_, at) => ({ ...plainColumn, name: `feature_${at}`, type: 'number' as const })),
  ],
  rows: Array.from({ length: 60 }, (_, at) => [
    ...[at + 1, at === 1 ? `<b>Why</b> is it ${'so '.repeat(200)}long?` : `Question ${at}?`],
    ...[at % 5 === 0 ? null : { port: 'Busan', tags: ['a', 'b'] }, at / 2, null],
    ...Array.from({ length: 35 }, (_, feature) => feature * at),
  ]),
  members: Array.from({ length: 25 }, (_, at) => ({ name: `part-${at}.parquet`, size: 4_000_000 })),
}
const file = (number: number): Answer<'listDatasetData'>['files'][number] => ({
  ...{
    file_path: `${collection}/${name}/data/${number}-${number === 1 ? `${long}.bin` : 'part.zip'}`,
    file_number: number,
  },
  ...{ collection_name: collection, dataset_name: name, size: 12_400_000 * (number + 1), sha256: hash },
  ...{ content_type: 'application/octet-stream', created_at: at(number), download_url: '' },
})

/** Answers to what the pages of the dataset ask for. */
const answers: Record<string, unknown> = {
  [`GET ${place}`]: dataset,
  [`GET ${place}/items`]: items,
  [`GET ${place}/items/harbours`]: item,
  [`GET ${place}/items/harbours/history`]: revisions,
  [`GET /api/v1/lineage/${collection}?dataset=${name}&item=harbours`]: lineage,
  [`GET /api/v1/lineage/${collection}?dataset=${name}`]: itemLineage,
  [`POST ${place}/items/check`]: itemCheck,
  [`GET /api/v1/tasks/${collection}?view=summary`]: [{ name: 'answer' }, { name: 'summarize' }],
  [`GET ${place}/results?task=answer`]: results,
  [`POST /api/v1/estimates/${collection}/answer`]: estimate,
  [`GET ${place}/history?skip=0`]: history,
  [`GET ${place}/history`]: history,
  [`GET ${place}/versions/~7`]: { ...version(7), data: { splits: { train: 80, test: 20 }, items: { count: 40 } } },
  [`GET ${place}/versions/~6`]: { ...version(6), data: { splits: { train: 90, test: 10 }, items: { count: 40 } } },
  [`GET ${place}/items/diff`]: differences,
  [`GET ${place}/data/0/preview`]: preview,
  [`GET ${place}/data?after=-1`]: { files: [file(0), file(1)], has_more: false },
}

const page = (state: string, address: string, given: Record<string, unknown> = answers): Fixture => ({
  ...{ name: state, page: address, now: '2026-11-28T12:00:00Z' },
  answers: Object.fromEntries(
    Object.entries(given).map(([asked, body]) => {
      const [method = 'GET', path = ''] = asked.split(' ')
      return [answerKey(method, path), { status: 200, type: 'application/json', body: JSON.stringify(body) }]
    }),
  ),
})

const own = `/${collection}/-/datasets`
const refused = 'part.parquet is no parquet file that can be read: its footer names a column twice'

/** A page whose data file cannot be shown. */
const withoutPreview = (state: string): Fixture => {
  const shown = page(state, `${own}/broken?tab=files`, {
    [`GET /api/v1/datasets/${collection}/broken`]: { ...dataset, name: 'broken' },
    [`GET /api/v1/datasets/${collection}/broken/data?after=-1`]: {
      files: [{ ...file(0), file_path: `${collection}/broken/data/part.parquet` }],
      has_more: false,
    },
  })
  const body = JSON.stringify({ detail: refused, hint: 'Download the file to look at it.' })
  const asked = answerKey('GET', `/api/v1/datasets/${collection}/broken/data/0/preview`)
  return { ...shown, answers: { ...shown.answers, [asked]: { status: 400, type: 'application/json', body } } }
}

/** The pages of datasets in states worth a look. */
export const datasetFixtures: readonly Fixture[] = [
  page('datasets', own, {
    [`GET /api/v1/datasets/${collection}?skip=0`]: [listed, { ...listed, id: 2, name: long, format: null }],
  }),
  page('datasets-none', '/empty/-/datasets', { 'GET /api/v1/datasets/empty?skip=0': [] }),
  page('dataset-items', `${own}/${name}?item=harbours`),
  page('dataset-results', `${own}/${name}?tab=results&task=answer`),
  page('dataset-versions', `${own}/${name}?tab=versions`),
  page('dataset-files', `${own}/${name}?tab=files`),
  withoutPreview('dataset-file-refused'),
  page('lineage', `/${collection}/-/lineage?dataset=${name}&item=harbours`),
  page('dataset-lineage', `${own}/${name}?tab=lineage`),
  page('dataset-metadata', `${own}/${name}?tab=metadata`),
]
