// Every operation of the API has its row here, which makes it long.
import type { Ask } from './ask.ts'
import { idempotencyKey, type Place } from './world.ts'

/** A status, and the text of the error where it is one sentence. */
export type Refusal = readonly [status: number, detail?: string]

/** How an operation is called, and what it answers to those who may not. */
export interface Operation {
  /** What a token must be for it; `none`: nobody looks at one. */
  needs: 'none' | 'optional' | 'read' | 'write' | 'worker' | 'admin'
  /** A valid call of what is at a place. */
  ask(at: Place): Ask
  /** What a valid call answers; left out, any 2xx. */
  status?: number
  /** What is answered where the call means a place that the key does not cover. */
  stranger?: Refusal
  /** The same where only this one part of the place is foreign; left out, 404. `own`: nothing foreign is meant by it. */
  mixed?: Partial<Record<keyof Place, Refusal | 'own'>>
  /** More ways to reach for what is foreign, and what is answered. */
  reaching?(mine: Place, theirs: Place): readonly (readonly [Ask, ...Refusal])[]
  /** It concerns the sessions of the caller's own key alone, and a key of any level may change them. */
  own?: boolean
  /** It has to tell of foreign names that they exist. */
  tellsWhatExists?: boolean
  /** Calls that name something foreign and are answered all the same, with nothing of it. */
  harmless?(mine: Place, theirs: Place): readonly Ask[]
}

const unknown: Refusal = [404, 'Collection not found']
const noKey: Refusal = [404, 'API key not found']
const noSession: Refusal = [404, 'Session not found']
const noFile: Refusal = [404, 'File not found']

const at = (place: Place) => `/api/v1/collections/${place.collection}`
const task = (place: Place) => `${place.collection}/${place.task}`
const run = (place: Place) => `${task(place)}/${place.trajectory}`
const routine = (place: Place) => `/api/v1/routines/${task(place)}/${place.routine}`
const hook = (place: Place) => `/api/v1/hooks/${place.collection}/${place.hook}`
const batch = (place: Place) => `/api/v1/batches/${place.collection}/${place.batch}`
const experiment = (place: Place) => `/api/v1/experiments/${place.collection}/${place.experiment}`
const bulk = (place: Place) => `/api/v1/runs/${place.collection}/bulk`
const dataset = (place: Place) => `/api/v1/datasets/${place.collection}/${place.dataset}`
const model = (place: Place) => `/api/v1/models/${place.collection}/${place.model}`
const agent = (place: Place) => `/api/v1/agents/${place.collection}/${encodeURIComponent(place.agent)}`
const linked = (place: Place, source = place) => ({
  path: '/api/v1/entity-relationships',
  body: {
    source_entity_str: `trained_model/${source.collection}/${source.model}`,
    target_entity_str: `dataset/${place.collection}/${place.dataset}`,
    activity_name: 'labelling',
  },
})
const file = new File(['bytes'], 'bytes.txt')
const workflow = { step_configs: { a: { activity: 'text_echo', text: 'hello' } }, steps: ['a'] }

const evaluations = (place: string) => `/api/v1/evaluations/${place}`
const judges = [{ name: 'polite', instruction: 'Is it polite?', model: 'scripted/echo', binary: true }]

const open = (path: string, status = 200): Operation => ({ needs: 'none', status, ask: () => ({ path }) })
const read = (path: (place: Place) => string, more: Partial<Operation> = {}): Operation => ({
  needs: 'read',
  ask: (place) => ({ path: path(place) }),
  ...more,
})
const write = (ask: (place: Place) => Ask, more: Partial<Operation> = {}): Operation => ({
  needs: 'write',
  ask,
  ...more,
})

/** A call that names its collection in a header. */
const sentTo = (path: string, body: object, status?: number): Operation => ({
  ...write((place) => ({ path, headers: { 'X-Jetty-Collection': place.collection }, body })),
  ...(status && { status }),
  reaching: () => [[{ path, headers: { 'X-Jetty-Collection': 'nowhere' }, body }, 404, 'Collection not found']],
})

const jobFiles = (place: Place) => `/api/v1/workers/${place.worker}/jobs/some-job/files`

/** A call of a worker about itself, or about a job that it does not have. */
const worker = (path: string, body?: object, status = 200): Operation => ({
  needs: 'worker',
  status,
  ask: (place) => ({ path: `/api/v1/workers/${place.worker}${path}`, ...(body && { body }) }),
  stranger: [404, 'Worker not found'],
  mixed: { worker: [404, 'Worker not found'] },
})

/** Ways out of one's own folder that a path might be fooled by. */
const climbing = (mine: Place, theirs: Place): readonly (readonly [Ask, ...Refusal])[] =>
  ['/../', '/%2e%2e/', '%2f..%2f', '/..%2f', '//', '/./../'].map((way) => [
    { path: `/api/v1/file/${mine.collection}${way}${theirs.path}` },
    404,
  ])

const started = (path: string): Operation =>
  write((place) => ({ path: `${path}/${task(place)}`, body: { init_params: { file_paths: [place.upload] } } }), {
    mixed: { upload: [422] },
    reaching: (mine, theirs) => [
      [{ path: `${path}/${task(mine)}`, form: { init_params: JSON.stringify({ file_paths: [theirs.upload] }) } }, 422],
      [{ path: `${path}/${task(mine)}`, body: { init_params: { file_paths: [theirs.path] } } }, 422],
      [{ path: `${path}/${task(mine)}`, body: { init_params: { file_paths: [theirs.uploadPath] } } }, 422],
    ],
    harmless: (mine) => [{ path: `${path}/${task(mine)}`, body: {}, headers: { 'Idempotency-Key': idempotencyKey } }],
  })

/** A call of a model that needs no key, not recorded: it changes nothing. Without a name the key's collection is meant. */
const gatewayCall = (path: string, body: object, status = 200): Operation => {
  const model = 'scripted/echo'
  const jetty = { runbook: false, record: false }
  const unnamed = { path, body: { model, ...body, jetty } }
  return {
    needs: 'read',
    status,
    ask: (place) => ({ path, body: { model, ...body, jetty: { ...jetty, collection: place.collection } } }),
    reaching: (_, theirs) => [
      [{ ...unnamed, headers: { 'X-Jetty-Collection': theirs.collection } }, ...unknown],
      [{ ...unnamed, headers: { 'X-Jetty-Collection': 'nowhere' } }, 404, 'Collection not found'],
    ],
    harmless: () => [unnamed],
  }
}

/** The same with a sound in a form. */
const gatewayForm = (path: string): Operation => {
  const form = { model: 'scripted/echo', file: new File(['sound'], 'sound.wav') }
  const within = (collection: string): Ask => ({
    path,
    form,
    headers: { 'X-Jetty-Collection': collection, 'X-Jetty-Record': 'off' },
  })
  return {
    needs: 'read',
    status: 422,
    ask: (place) => within(place.collection),
    reaching: (_, theirs) => [
      [within(theirs.collection), ...unknown],
      [within('nowhere'), 404, 'Collection not found'],
    ],
    harmless: () => [{ path, form, headers: { 'X-Jetty-Record': 'off' } }],
  }
}

/** A call of a tool by a client of the Model Context Protocol. */
const mcpCall = (name: string, args: Record<string, string>) => ({
  ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
  params: { name, arguments: args },
})

/** Every operation of the API by its name, in an order in which valid calls can follow each other. */
export const operations: Record<string, Operation> = {
  getHealth: open('/api/v1/health'),
  getReady: open('/ready'),
  getOpenApi: open('/openapi.json'),
  getDocs: open('/docs'),
  getDocsPage: open('/docs/workflows.md'),
  listDocs: open('/api/v1/docs'),
  searchDocs: open('/api/v1/docs/search?q=retry'),
  getLlmsText: open('/llms.txt'),
  getLlmsFullText: open('/llms-full.txt'),
  preflightRunbook: {
    needs: 'read',
    ask: (place) => ({
      path: '/api/v1/runbooks/preflight',
      body: { collection: place.collection, content: '# A runbook\n\nSay hello.\n', agent: 'scripted' },
    }),
    stranger: unknown,
  },
  getRunbookTemplate: { needs: 'read', ask: () => ({ path: '/api/v1/runbooks/template?title=Floods' }) },
  validateRunbook: {
    needs: 'read',
    ask: () => ({ path: '/api/v1/runbooks/validate', body: { content: 'Write a poem.' } }),
  },

  answerMcp: {
    needs: 'read',
    ask: () => ({ path: '/mcp', body: mcpCall('list-collections', {}) }),
    // What a tool is refused is told inside of the message, with status 200.
    harmless: (_, { collection, task }) => [{ path: '/mcp', body: mcpCall('get-task', { collection, task }) }],
  },
  endMcpSession: read(() => '/mcp', { own: true }),

  listStepTemplates: { needs: 'optional', ask: () => ({ path: '/api/v1/step-templates' }) },
  registerWorker: {
    needs: 'worker',
    ask: () => ({ path: '/api/v1/workers', body: { name: 'box', activities: [{ name: 'box.resize' }] } }),
  },
  listWorkers: read(() => '/api/v1/workers'),
  pollJobs: worker('/poll', { wait_seconds: 0 }),
  heartbeatJob: worker('/jobs/some-job/heartbeat', { epoch: 1 }, 409),
  completeJob: worker('/jobs/some-job/complete', { epoch: 1, outputs: {} }, 409),
  failJob: worker('/jobs/some-job/fail', { epoch: 1, error: 'no disk' }, 409),
  downloadJobFile: {
    ...worker(''),
    status: 409,
    ask: (place) => ({ path: `${jobFiles(place)}/${place.path}?epoch=1` }),
    stranger: noFile,
    mixed: { worker: [404, 'Worker not found'], path: noFile },
    reaching: (mine, theirs) => [[{ path: `${jobFiles(mine)}/${mine.collection}/${theirs.path}?epoch=1` }, 409]],
  },
  uploadJobFile: {
    ...worker(''),
    status: 409,
    ask: (place) => ({ path: jobFiles(place), form: { epoch: '1', file } }),
  },
  stopWorker: worker(''),
  getStepTemplate: { needs: 'optional', ask: () => ({ path: '/api/v1/step-templates/text_echo' }) },
  runDemo: open('/api/demo/run', 404),
  getDemoStatus: open('/api/demo/status/some-run', 404),
  getDemoReport: open('/api/demo/report/some-run', 404),
  signUpByEmail: open('/api/onboarding/email-signup', 404),
  validateCroissant: {
    needs: 'none',
    ask: () => ({ path: '/api/v1/datasets/mlcroissant-validation', form: { file } }),
  },
  searchDatasets: { needs: 'optional', ask: () => ({ path: '/api/v1/datasets/search?q=job' }) },

  whoAmI: read(() => '/api/v1/auth/whoami'),
  listConnectedAccounts: read(() => '/api/v1/connected-accounts'),
  linkConnectedAccount: write(() => ({ path: '/api/v1/connected-accounts/nous/link' }), { status: 501 }),
  beginConnectedAccount: write(() => ({ path: '/api/v1/connected-accounts/codex/begin' }), { status: 501 }),
  listAllModels: read(() => '/api/v1/models'),
  listRoutableModels: read(() => '/v1/models', {
    reaching: (_, theirs) => [
      [{ path: `/v1/models?collection=${theirs.collection}` }, ...unknown],
      [{ path: '/v1/models', headers: { 'X-Jetty-Collection': theirs.collection } }, ...unknown],
      [{ path: '/v1/models?collection=nowhere' }, 404, 'Collection not found'],
    ],
  }),
  createChatCompletion: gatewayCall('/v1/chat/completions', { messages: [{ role: 'user', content: 'hello' }] }),
  createCompletion: gatewayCall('/v1/completions', { prompt: 'hello' }, 422),
  createModeration: gatewayCall('/v1/moderations', { input: 'hello' }, 422),
  rerank: gatewayCall('/v1/rerank', { query: 'hello', documents: ['a'] }, 422),
  createSpeech: gatewayCall('/v1/audio/speech', { input: 'hello', voice: 'alloy' }, 422),
  createTranscription: gatewayForm('/v1/audio/transcriptions'),
  createTranslation: gatewayForm('/v1/audio/translations'),
  connectRealtime: open('/v1/realtime', 501),
  createEmbeddings: gatewayCall('/v1/embeddings', { input: 'hello' }, 422),
  createImages: gatewayCall('/v1/images/generations', { prompt: 'a pier' }, 422),
  createResponse: gatewayCall('/v1/responses', { input: 'hello' }, 422),
  createMessage: gatewayCall('/v1/messages', { max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] }),
  countMessageTokens: gatewayCall('/v1/messages/count_tokens', { messages: [{ role: 'user', content: 'hello' }] }),
  generateContent: gatewayCall('/v1beta/models/scripted%2Fecho:generateContent', {
    contents: [{ role: 'user', parts: [{ text: 'hello' }] }],
  }),
  getRoutableModel: read(() => '/v1/models/scripted/echo', {
    reaching: (_, theirs) => [
      [{ path: `/v1/models/scripted/echo?collection=${theirs.collection}` }, ...unknown],
      [{ path: '/v1/models/scripted/echo', headers: { 'X-Jetty-Collection': theirs.collection } }, ...unknown],
      [{ path: '/v1/models/scripted/echo?collection=nowhere' }, 404, 'Collection not found'],
    ],
  }),
  listModels: read((place) => `/api/v1/models/${place.collection}`),
  searchModels: read(() => '/api/v1/models/search?q=job'),
  createModel: write((place) => ({
    path: `/api/v1/models/${place.collection}`,
    body: { name: 'new', model_path: 'hf://new' },
  })),
  getModel: read(model),
  updateModel: write((place) => ({ path: model(place), body: { description: 'changed' } })),
  listModelVersions: read((place) => `${model(place)}/history`),
  getModelVersion: read((place) => `${model(place)}/versions/~0`),
  listDatasets: read((place) => `/api/v1/datasets/${place.collection}`),
  createDataset: write((place) => ({ path: `/api/v1/datasets/${place.collection}`, body: { name: 'new' } })),
  getDataset: read(dataset),
  updateDataset: write((place) => ({ path: dataset(place), body: { format: 'csv' } })),
  setDatasetMetadata: write((place) => ({ path: `${dataset(place)}/metadata`, body: { name: 'changed' } })),
  listDatasetVersions: read((place) => `${dataset(place)}/history?include_changeset=true`),
  getDatasetVersion: read((place) => `${dataset(place)}/versions/~0`),
  getDatasetCroissant: read((place) => `${dataset(place)}/mlcroissant`),
  exportDatasetCroissant: read((place) => `${dataset(place)}/croissant`),
  setDatasetPreview: write((place) => ({ path: `${dataset(place)}/preview`, form: { preview_update: file } })),
  getDatasetPreview: read((place) => `${dataset(place)}/preview`),
  uploadDatasetData: write((place) => ({ path: `${dataset(place)}/data`, form: { data_file: file } })),
  listDatasetData: read((place) => `${dataset(place)}/data`),
  getDatasetData: read((place) => `${dataset(place)}/data/0`),
  previewDatasetData: read((place) => `${dataset(place)}/data/0/preview`, { status: 400 }),
  downloadLatestDatasetData: read((place) => `/api/v1/datasets/data/latest/${place.collection}/${place.dataset}`),
  getDatasetUpstream: read((place) => `${dataset(place)}/upstream`),
  writeItems: write((place) => ({ path: `${dataset(place)}/items`, body: { items: [{ id: 'b', data: { a: 1 } }] } })),
  listItems: read((place) => `${dataset(place)}/items`),
  getItem: read((place) => `${dataset(place)}/items/a`),
  listItemRevisions: read((place) => `${dataset(place)}/items/a/history`),
  putItem: write((place) => ({ path: `${dataset(place)}/items/c`, body: { a: 2 } })),
  importItems: write(
    (place) => ({ path: `${dataset(place)}/items/import`, form: { file: new File(['{"a":1}'], 'a.jsonl') } }),
    {
      reaching: (mine, theirs) =>
        [theirs.upload, theirs.path, theirs.uploadPath].map((file_path): [Ask, number] => [
          { path: `${dataset(mine)}/items/import`, body: { file_path } },
          422,
        ]),
    },
  ),
  checkItems: write(
    (place) => ({ path: `${dataset(place)}/items/check`, form: { file: new File(['{"a":1}'], 'a.jsonl') } }),
    {
      reaching: (mine, theirs) =>
        [theirs.upload, theirs.path, theirs.uploadPath].map((file_path): [Ask, number] => [
          { path: `${dataset(mine)}/items/check`, body: { file_path } },
          422,
        ]),
    },
  ),
  exportItems: read((place) => `${dataset(place)}/items/export`),
  diffItems: read((place) => `${dataset(place)}/items/diff?from=~0`),
  listDatasetResults: read((place) => `${dataset(place)}/results?task=${place.task}`),
  getLineage: read((place) => `/api/v1/lineage/${place.collection}?trajectory_id=${place.trajectory}`, {
    reaching: (mine, theirs) => [
      [{ path: `/api/v1/lineage/${mine.collection}?trajectory_id=${theirs.trajectory}` }, 404],
      [{ path: `/api/v1/lineage/${mine.collection}?file=${theirs.path}` }, 404],
      [{ path: `/api/v1/lineage/${mine.collection}?dataset=${theirs.dataset}&item=a` }, 404],
      [{ path: `/api/v1/lineage/${mine.collection}?dataset=${theirs.dataset}` }, 404],
      [{ path: `/api/v1/lineage/${mine.collection}?model=${theirs.model}` }, 404],
    ],
  }),
  addItemFromRun: write(
    (place) => ({ path: `${dataset(place)}/items/from-run`, body: { trajectory_id: place.trajectory } }),
    { mixed: { trajectory: [404] } },
  ),
  setDatasetTag: write((place) => ({ path: `${dataset(place)}/tags/gold`, body: { version: '~0' } })),
  deleteDatasetTag: write((place) => ({ path: `${dataset(place)}/tags/silver` })),
  deleteItem: write((place) => ({ path: `${dataset(place)}/items/a` })),
  getEntityUpstream: read(
    (place) => `/api/v1/entity-relationships/dataset/${place.collection}/${place.dataset}/upstream`,
  ),
  createEntityRelationship: write((place) => linked(place), {
    stranger: [404],
    mixed: { collection: [404], dataset: [404], model: [404] },
    reaching: (mine, theirs) => [
      [linked(mine, theirs), 404],
      [linked(theirs, mine), 404],
    ],
  }),
  deleteEntityRelationship: write((place) => linked(place), { stranger: [404] }),
  createAgent: write((place) => ({ path: `/api/v1/agents/${place.collection}`, body: { name: 'new' } })),
  listAgents: read((place) => `/api/v1/agents/${place.collection}`),
  getAgent: read(agent),
  updateAgent: write((place) => ({ path: agent(place), body: { type: 'owner' } })),
  getTrial: read((place) => `/api/v1/trial/${place.collection}`),
  activateTrial: write((place) => ({ path: `/api/v1/trial/${place.collection}/activate` }), { status: 400 }),

  listCollections: read(() => '/api/v1/collections'),
  createCollection: write(() => ({ path: '/api/v1/collections', body: { name: 'made' } }), {
    // Names are unique in the server, so that this call alone tells that one is taken.
    tellsWhatExists: true,
    reaching: (_, theirs) => [
      [{ path: '/api/v1/collections', body: { name: theirs.collection } }, 400, 'Collection already exists'],
    ],
  }),
  getCollection: read(at),
  getCollectionPauses: read((place) => `${at(place)}/pauses`),
  pauseCollection: write((place) => ({ path: `${at(place)}/pause`, body: { reason: 'a test' } })),
  resumeCollection: write((place) => ({ path: `${at(place)}/resume` })),
  setCollectionOwner: write((place) => ({ path: `${at(place)}/owner`, body: { owner_identifier: 'ann' } })),
  getCollectionStorage: read((place) => `${at(place)}/storage`),
  setCollectionStorage: write((place) => ({ path: `${at(place)}/storage`, body: { storage_info: { bucket: 'b' } } })),
  listCollectionDatasets: read((place) => `${at(place)}/datasets`),
  listCollectionAgents: read((place) => `${at(place)}/agents`),
  getCollectionSettings: read((place) => `${at(place)}/settings`),
  getCollectionUsage: read((place) => `${at(place)}/usage`),
  previewRetention: {
    needs: 'read',
    ask: (place) => ({ path: `${at(place)}/retention/preview`, body: { retention_days: 30 } }),
  },
  updateCollectionSettings: write((place) => ({
    path: `${at(place)}/settings`,
    body: { rate_limit_per_minute: 1_000_000 },
  })),
  getEnvironment: read((place) => `${at(place)}/environment`),
  listVariables: read((place) => `${at(place)}/environment/variables`),
  setEnvironment: write((place) => ({ path: `${at(place)}/environment`, body: { environment_variables: { A: 'b' } } })),

  listAllTasks: read(() => '/api/v1/tasks'),
  listTasks: read((place) => `/api/v1/tasks/${place.collection}`),
  searchTasks: read((place) => `/api/v1/tasks/${place.collection}/search?q=job`),
  searchAllTasks: read(() => '/api/v1/tasks/search?q=job'),
  getTask: read((place) => `/api/v1/tasks/${task(place)}`),
  getTaskDetails: read((place) => `/api/v1/task-details/${task(place)}`),
  listTaskVersions: read((place) => `/api/v1/tasks/${task(place)}/history?include_changeset=true`),
  setTaskTag: write((place) => ({ path: `/api/v1/tasks/${task(place)}/tags/gold`, body: { version: '~0' } })),
  deleteTaskTag: write((place) => ({ path: `/api/v1/tasks/${task(place)}/tags/silver` })),
  getTaskVersion: read((place) => `/api/v1/tasks/${task(place)}/versions/${place.version}`),
  createTask: write((place) => ({ path: `/api/v1/tasks/${place.collection}`, body: { name: 'new', workflow } })),
  validateWorkflow: {
    needs: 'read',
    ask: (place) => ({ path: `/api/v1/tasks/${place.collection}/validate`, body: { workflow } }),
  },
  checkWorkflow: {
    needs: 'read',
    ask: (place) => ({ path: '/api/v1/workflows/check', body: { collection: place.collection, workflow } }),
    stranger: unknown,
  },
  updateTask: write((place) => ({ path: `/api/v1/tasks/${task(place)}`, body: { description: 'changed' } })),

  runTask: started('/api/v1/run'),
  runTaskSync: started('/api/v1/run-sync'),
  tryStep: write((place) => ({ path: `/api/v1/try/${place.collection}`, body: { workflow, step: 'a' } }), {
    reaching: (mine, theirs) =>
      [theirs.upload, theirs.path, theirs.uploadPath].map((path): [Ask, number] => [
        {
          path: `/api/v1/try/${mine.collection}`,
          body: { workflow, step: 'a', init_params: { file_paths: [path] } },
        },
        422,
      ]),
  }),

  runBatch: write((place) => ({ path: `/api/v1/run-batch/${task(place)}`, body: { items: [{}] } }), {
    reaching: (mine, theirs) =>
      [{ file_path: theirs.upload }, { file_path: theirs.path }, { items: [{ file_paths: [theirs.uploadPath] }] }].map(
        (body): [Ask, number] => [{ path: `/api/v1/run-batch/${task(mine)}`, body }, 422],
      ),
    harmless: (mine) => [
      {
        path: `/api/v1/run-batch/${task(mine)}`,
        body: { items: [{}] },
        headers: { 'Idempotency-Key': idempotencyKey },
      },
    ],
  }),
  listBatches: read((place) => `/api/v1/batches/${place.collection}`),
  getBatch: read(batch),
  getBatchResults: read((place) => `${batch(place)}/results`, {
    harmless: (mine) => [
      { path: `${batch(mine)}/results?format=csv` },
      { path: `${batch(mine)}/results?format=jsonl` },
    ],
  }),
  cancelBatch: write((place) => ({ path: `${batch(place)}/cancel` })),
  findRuns: read(() => '/api/v1/runs?id=run', {
    harmless: (_, { trajectory }) => [{ path: `/api/v1/runs?id=${trajectory}` }],
  }),
  listCollectionRuns: read((place) => `/api/v1/runs/${place.collection}`, {
    reaching: (mine, theirs) => [
      [{ path: `/api/v1/runs/${mine.collection}?task=${theirs.task}` }, 404],
      [{ path: `/api/v1/runs/${mine.collection}?task_not=${theirs.task}` }, 404],
    ],
    harmless: (mine, theirs) => [
      { path: `/api/v1/runs/${mine.collection}?parent_id=${theirs.trajectory}` },
      { path: `/api/v1/runs/${mine.collection}?format=csv&routine_id=7770001` },
    ],
  }),
  countCollectionRuns: read((place) => `/api/v1/runs/${place.collection}/counts?task=${place.task}`, {
    reaching: (mine, theirs) => [[{ path: `/api/v1/runs/${mine.collection}/counts?task=${theirs.task}` }, 404]],
  }),
  startBulkAction: write(
    (place) => ({
      path: bulk(place),
      body: { action: 'label', ids: [place.trajectory], label: { key: 'quality', value: 'good' } },
    }),
    {
      mixed: { trajectory: [404] },
      reaching: (mine, theirs) => [
        [{ path: bulk(mine), body: { action: 'cancel', ids: [mine.trajectory, theirs.trajectory] } }, 404],
        [{ path: bulk(mine), body: { action: 'cancel', filter: { task: [theirs.task] } } }, 404],
        [
          {
            path: bulk(mine),
            body: { action: 'rerun', filter: { q: 'x' }, rerun: { init_params: { file_paths: [theirs.path] } } },
          },
          422,
        ],
      ],
    },
  ),
  listBulkActions: read(bulk),
  getBulkAction: read((place) => `${bulk(place)}/${place.bulk}`),
  undoBulkAction: write((place) => ({ path: `${bulk(place)}/${place.bulk}/undo` })),
  stopBulkAction: write((place) => ({ path: `${bulk(place)}/${place.bulk}` })),
  listLabelKeys: read((place) => `/api/v1/runs/${place.collection}/labels`),
  saveView: write((place) => ({ path: `/api/v1/views/${place.collection}/new`, body: { query: 'status=failed' } })),
  listViews: read((place) => `/api/v1/views/${place.collection}`),
  getView: read((place) => `/api/v1/views/${place.collection}/${place.view}`),
  deleteView: write((place) => ({ path: `/api/v1/views/${place.collection}/${place.view}` })),
  estimateTask: {
    needs: 'read',
    ask: (place) => ({ path: `/api/v1/estimates/${task(place)}`, body: {} }),
    reaching: (mine, theirs) => [
      [{ path: `/api/v1/estimates/${task(mine)}`, body: { dataset: `${theirs.collection}/${theirs.dataset}` } }, 422],
    ],
  },
  startExperiment: write(
    (place) => ({ path: `/api/v1/experiments/${task(place)}`, body: { runs: { last: 1 }, dry_run: true } }),
    {
      reaching: (mine, theirs) => [
        [
          {
            path: `/api/v1/experiments/${task(mine)}`,
            body: { runs: { trajectory_ids: [theirs.trajectory] }, dry_run: true },
          },
          422,
        ],
      ],
    },
  ),
  listExperiments: read((place) => `/api/v1/experiments/${place.collection}`, {
    reaching: (mine, theirs) => [[{ path: `/api/v1/experiments/${mine.collection}?task=${theirs.task}` }, 404]],
  }),
  getExperiment: read(experiment),
  resumeExperiment: write((place) => ({ path: `${experiment(place)}/resume`, body: { bound_usd: null } }), {
    status: 409,
  }),
  cancelExperiment: write((place) => ({ path: `${experiment(place)}/cancel` })),
  startEvaluation: write((place) => ({ path: evaluations(task(place)), body: { items: [{}], judges } }), {
    reaching: (mine, theirs) => [
      [{ path: evaluations(task(mine)), body: { file_path: theirs.upload, judges } }, 422],
      [{ path: evaluations(task(mine)), body: { file_path: theirs.path, judges } }, 422],
      [{ path: evaluations(task(mine)), body: { items: [{}], judges, baseline: theirs.evaluation } }, 422],
    ],
  }),
  listEvaluations: read((place) => evaluations(place.collection), {
    harmless: (mine, theirs) => [{ path: `${evaluations(mine.collection)}?task=${theirs.task}` }],
  }),
  getEvaluation: read((place) => evaluations(`${place.collection}/${place.evaluation}`)),
  cancelEvaluation: write((place) => ({ path: evaluations(`${place.collection}/${place.evaluation}/cancel`) })),
  listTrajectories: read((place) => `/api/v1/db/trajectories/${task(place)}`, {
    mixed: { task: 'own' },
    harmless: (mine, theirs) => [{ path: `/api/v1/db/trajectories/${mine.collection}/${theirs.task}` }],
  }),
  listRoutines: read((place) => `/api/v1/routines/${place.collection}`),
  listTaskRoutines: read((place) => `/api/v1/routines/${task(place)}`),
  getRoutine: read(routine),
  createRoutine: write((place) => ({
    path: `/api/v1/routines/${task(place)}`,
    body: { name: 'new', cadence: { type: 'manual' } },
  })),
  updateRoutine: write((place) => ({ path: routine(place), body: { cadence: { type: 'hourly' } } })),
  pauseRoutine: write((place) => ({ path: `${routine(place)}/pause` })),
  resumeRoutine: write((place) => ({ path: `${routine(place)}/resume` })),
  runRoutineNow: write((place) => ({ path: `${routine(place)}/run-now` })),
  getRoutineFires: read((place) => `${routine(place)}/fires`),
  listRoutineRuns: read((place) => `${routine(place)}/runs`),
  listHooks: read((place) => `/api/v1/hooks/${place.collection}`, {
    reaching: (mine, theirs) => [[{ path: `/api/v1/hooks/${mine.collection}?task=${theirs.task}` }, 404]],
    harmless: (mine) => [{ path: `/api/v1/hooks/${mine.collection}?cursor=7770001` }],
  }),
  getHook: read(hook),
  createHook: write((place) => ({
    path: `/api/v1/hooks/${place.collection}`,
    body: { name: 'new', task: place.task, sender: 'github' },
  })),
  updateHook: write((place) => ({ path: hook(place), body: { disabled: true } })),
  listHookDeliveries: read((place) => `${hook(place)}/deliveries`, {
    harmless: (mine) => [{ path: `${hook(mine)}/deliveries?cursor=7770002` }],
  }),
  getHookDelivery: read((place) => `${hook(place)}/deliveries/${place.delivery}`),
  testHook: {
    needs: 'read',
    ask: (place) => ({ path: `${hook(place)}/test`, body: { delivery: place.delivery } }),
  },
  redeliverHook: write((place) => ({ path: `${hook(place)}/redeliver`, body: { state: 'failed' } }), {
    reaching: (mine, theirs) => [[{ path: `${hook(mine)}/redeliver`, body: { number: theirs.delivery } }, 404]],
  }),
  receiveDelivery: { needs: 'none', status: 404, ask: () => ({ path: '/hooks/a', body: {} }) },
  decideApproval: write((place) => ({
    path: `/api/v1/trajectory/${place.collection}/${place.gate}/${place.waiting}/steps/ask/approval`,
    body: { decision: 'approve' },
  })),
  listApprovals: read((place) => `/api/v1/approvals/${place.collection}`, {
    harmless: (mine) => [{ path: `/api/v1/approvals/${mine.collection}?cursor=7770001` }],
  }),
  listAllApprovals: read(() => '/api/v1/approvals'),
  sendEvent: write((place) => ({
    path: `/api/v1/events/${place.collection}`,
    body: { event: 'paid', key: 'order-1' },
  })),
  createEventHook: write(
    (place) => ({
      path: `/api/v1/event-hooks/${place.collection}`,
      body: { scheme: 'github', secret: 'NOT_SET', event: 'merged', key_path: 'number' },
    }),
    { status: 422 },
  ),
  listEvents: read((place) => `/api/v1/events/${place.collection}`, {
    harmless: (mine) => [{ path: `/api/v1/events/${mine.collection}?cursor=7770001` }],
  }),
  sendCallback: { needs: 'none', status: 404, ask: () => ({ path: '/api/v1/callbacks/a.b.c', body: {} }) },
  discardEvent: write((place) => ({ path: `/api/v1/events/${place.collection}/${place.event}` })),
  listEventWaits: read((place) => `/api/v1/event-waits/${place.collection}`, {
    harmless: (mine) => [{ path: `/api/v1/event-waits/${mine.collection}?cursor=0` }],
  }),
  diffTrajectories: read((place) => `/api/v1/trajectory/${run(place)}/diff?with=${place.trajectory}`, {
    reaching: (mine, theirs) =>
      [theirs.trajectory, `${theirs.task}/${theirs.trajectory}`, `${mine.task}/${theirs.trajectory}`].map(
        (other): [Ask, number] => [{ path: `/api/v1/trajectory/${run(mine)}/diff?with=${other}` }, 404],
      ),
  }),
  getStats: read((place) => `/api/v1/db/stats/${task(place)}`),
  getTrajectory: read((place) => `/api/v1/db/trajectory/${run(place)}`, {
    harmless: (mine) => [{ path: `/api/v1/db/trajectory/${run(mine)}?view=summary` }],
  }),
  getStep: read((place) => `/api/v1/trajectory/${run(place)}/steps/say`),
  listStepCalls: read((place) => `/api/v1/trajectory/${run(place)}/steps/say/calls`),
  getStepValue: read((place) => `/api/v1/trajectory/${run(place)}/steps/say/value?of=inputs&member=text`),
  getInitParams: read((place) => `/api/v1/trajectory/${run(place)}/init_params`),
  getCollectionStats: read((place) => `/api/v1/stats/${place.collection}?task=${place.task}`, {
    reaching: (mine, theirs) => [[{ path: `/api/v1/stats/${mine.collection}?task=${theirs.task}` }, 404]],
  }),
  listConversations: read((place) => `/api/v1/conversations/${place.collection}`),
  getConversation: read((place) => `/api/v1/conversations/${place.collection}/${place.label}`),
  listUsers: read((place) => `/api/v1/users/${place.collection}`),
  getUser: read((place) => `/api/v1/users/${place.collection}/${place.label}`),
  listRunFiles: read((place) => `/api/v1/trajectory/${run(place)}/files`),
  downloadTrajectory: read((place) => `/api/v1/trajectory/${run(place)}/download`),
  setTrajectoryStatuses: write(
    (place) => ({ path: `/api/v1/trajectory/${task(place)}/statuses`, body: { [place.trajectory]: 'completed' } }),
    {
      harmless: (mine, theirs) => [
        {
          path: `/api/v1/trajectory/${task(mine)}/statuses`,
          body: { [mine.trajectory]: 'completed', [theirs.trajectory]: 'failed' },
        },
      ],
    },
  ),
  rerunTrajectory: write((place) => ({ path: `/api/v1/trajectory/${run(place)}/rerun`, body: {} }), {
    reaching: (mine, theirs) => [
      [{ path: `/api/v1/trajectory/${run(mine)}/rerun`, body: { init_params: { file_paths: [theirs.upload] } } }, 422],
      [{ path: `/api/v1/trajectory/${run(mine)}/rerun`, body: { init_params: { file_paths: [theirs.path] } } }, 422],
    ],
    harmless: (mine) => [
      {
        path: `/api/v1/trajectory/${run(mine)}/rerun`,
        body: { mode: 'replay' },
        headers: { 'Idempotency-Key': idempotencyKey },
      },
    ],
  }),
  getWorkflowLogs: read((place) => `/api/v1/workflows-logs/${place.workflow}`, {
    mixed: { workflow: [404] },
    reaching: (_, theirs) => [[{ path: `/api/v1/workflows-logs/${theirs.trajectory}` }, 404]],
    harmless: (mine) => [{ path: `/api/v1/workflows-logs/${mine.ingested}` }],
  }),
  listDeliveries: read((place) => `/api/v1/trajectory/${run(place)}/deliveries`),
  listCollectionDeliveries: read((place) => `${at(place)}/webhooks/deliveries`),
  testWebhook: write((place) => ({ path: `${at(place)}/webhooks/test`, body: { webhook_url: 'http://127.0.0.1:9/' } })),
  redeliver: write((place) => ({ path: `/api/v1/trajectory/${run(place)}/deliveries/1/redeliver` })),
  watchTrajectory: read((place) => `/api/v1/trajectory/${run(place)}/events`, {
    harmless: (mine) =>
      ['0', '1', '999999999999', '-1', 'x'].map((id) => ({
        path: `/api/v1/trajectory/${run(mine)}/events`,
        headers: { 'Last-Event-ID': id },
      })),
  }),
  watchCollection: read((place) => `${at(place)}/events`, {
    harmless: (mine) =>
      ['0', '1', '-1', 'x'].map((id) => ({ path: `${at(mine)}/events`, headers: { 'Last-Event-ID': id } })),
  }),
  ingestTrajectory: write(
    (place) => ({
      path: `/api/v1/trajectories/${task(place)}/ingest`,
      body: { trajectory_id: place.ingested, output: 'again' },
    }),
    {
      mixed: { task: 'own', ingested: 'own' },
    },
  ),
  exportTraces: sentTo('/v1/traces', { resourceSpans: [] }),
  remapTraces: write((place) => ({ path: `/api/v1/traces/${place.collection}/remap`, body: {} })),
  createScore: sentTo('/api/public/scores', { traceId: 'ab'.repeat(16), name: 'quality', value: 1 }),
  ingestEvents: sentTo('/api/public/ingestion', { batch: [] }, 207),
  addLabel: write((place) => ({
    path: `/api/v1/trajectory/${run(place)}/labels`,
    body: { key: 'quality', value: 'good', author: 'ann' },
  })),
  listLabels: read((place) => `/api/v1/trajectory/${run(place)}/labels`),
  deleteLabel: write((place) => ({ path: `/api/v1/trajectory/${run(place)}/labels/${place.label}` })),

  downloadFile: read((place) => `/api/v1/file/${place.path}`, {
    mixed: { path: noFile },
    reaching: (mine, theirs) => [
      [{ path: `/api/v1/file/${theirs.uploadPath}` }, ...noFile],
      [{ path: `/api/v1/file/${mine.collection}/${theirs.path}` }, 404],
      ...climbing(mine, theirs),
    ],
  }),
  listFiles: read((place) => `/api/v1/list-files?prefix=${task(place)}`, {
    mixed: { task: 'own' },
    reaching: (_, theirs) => [
      [{ path: `/api/v1/list-files?prefix=${theirs.collection}` }, ...unknown],
      [{ path: `/api/v1/list-files?prefix=${theirs.collection.slice(0, -1)}` }, 404, 'Collection not found'],
    ],
    harmless: (mine) => [{ path: `/api/v1/list-files?prefix=${mine.collection}` }],
  }),
  uploadFile: write((place) => ({ path: '/api/v1/files/upload', form: { collection: place.collection, file } })),
  uploadSandboxFiles: write((place) => ({
    path: '/api/v1/sandbox/upload',
    form: { collection: place.collection, files: file },
  })),
  createFile: write((place) => ({ path: '/api/v1/files', form: { collection: place.collection, file } })),
  listUploads: read((place) => `/api/v1/files?collection=${place.collection}`, {
    reaching: (_, theirs) => [[{ path: `/api/v1/files?after=${theirs.upload}` }, 422]],
    harmless: () => [{ path: '/api/v1/files' }],
  }),
  getUpload: read((place) => `/api/v1/files/${place.upload}`, { stranger: noFile }),
  downloadUpload: read((place) => `/api/v1/files/${place.upload}/content`, { stranger: noFile }),
  deleteUpload: write((place) => ({ path: `/api/v1/files/${place.upload}` }), { stranger: noFile }),

  createKey: write(
    (place) => ({ path: '/api/v1/api-keys', body: { name: 'new', collection_name: place.collection } }),
    {
      reaching: (mine, theirs) => {
        const body = { name: 'both', collection_name: mine.collection, collections: [theirs.collection] }
        return [[{ path: '/api/v1/api-keys', body }, 404, `Collection '${theirs.collection}' not found`]]
      },
    },
  ),
  listKeys: write((place) => ({ path: `/api/v1/api-keys/collection/${place.collection}` })),
  getKey: write((place) => ({ path: `/api/v1/api-keys/${place.keyId}` }), { stranger: noKey }),
  updateKey: write((place) => ({ path: `/api/v1/api-keys/${place.keyId}`, body: { name: 'renamed' } }), {
    stranger: noKey,
  }),
  deleteKey: write((place) => ({ path: `/api/v1/api-keys/${place.spareKeyId}` }), { stranger: noKey }),

  signIn: {
    needs: 'none',
    ask: () => ({ path: '/api/v1/session', body: { token: `mlc_${'a'.repeat(32)}` } }),
    status: 401,
  },
  getSession: read(() => '/api/v1/session', { status: 404 }),
  signOut: read(() => '/api/v1/session', { status: 404 }),
  createSignInLink: read(() => '/api/v1/session/links', { own: true }),
  listSessions: read(() => '/api/v1/sessions', {
    harmless: (_, theirs) => [{ path: `/api/v1/sessions?cursor=${theirs.session + 1}` }],
  }),
  endSession: read((place) => `/api/v1/sessions/${place.session}`, { own: true, stranger: noSession }),
  endSessions: read(() => '/api/v1/sessions', { own: true }),

  listAudit: write((place) => ({ path: `${at(place)}/audit` }), {
    harmless: (mine, theirs) => [{ path: `${at(mine)}/audit?cursor=${theirs.audit + 1}` }],
  }),
  listServerAudit: { needs: 'admin', ask: () => ({ path: '/api/v1/audit' }) },
  getMetrics: { needs: 'admin', ask: () => ({ path: '/metrics' }) },
  getSystem: { needs: 'admin', ask: () => ({ path: '/api/v1/system' }) },
  getSandbox: { needs: 'admin', ask: () => ({ path: '/api/v1/system/sandbox' }) },
  getSecretKeyRotation: { needs: 'admin', ask: () => ({ path: '/api/v1/secret-key/rotate' }) },
  rotateSecretKey: { needs: 'admin', ask: () => ({ path: '/api/v1/secret-key/rotate' }) },

  deleteAgent: write((place) => ({ path: agent(place) })),
  deleteModel: write((place) => ({ path: model(place) })),
  deleteDataset: write((place) => ({ path: dataset(place) })),
  deleteHook: write((place) => ({ path: hook(place) })),
  deleteRoutine: write((place) => ({ path: routine(place) })),
  deleteTask: write((place) => ({ path: `/api/v1/tasks/${task(place)}` })),
  deleteCollection: { needs: 'admin', ask: (place) => ({ path: at(place) }) },
}
