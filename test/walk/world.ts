import { createHmac } from 'node:crypto'
import { pause } from '../../src/lib/time.ts'
import type { Body, TestServer } from '../server.ts'
import { send } from './ask.ts'

/** A collection with one of everything, by the names and ids that a caller would send. */
export interface Place {
  collection: string
  task: string
  trajectory: string
  workflow: string
  /** A run that was recorded elsewhere, under an id that stands in both collections. */
  ingested: string
  /** Storage path of a file that came with a run. */
  path: string
  upload: string
  uploadPath: string
  label: string
  routine: string
  hook: string
  /** Number of a delivery that the hook has kept. */
  delivery: number
  /** A task whose run waits for somebody's decision, and that run. */
  gate: string
  waiting: string
  batch: string
  evaluation: string
  bulk: string
  experiment: string
  view: string
  /** Number of an event that is kept. */
  event: string
  dataset: string
  model: string
  agent: string
  version: string
  keyId: number
  spareKeyId: number
  audit: number
  /** A session of the key of this side. */
  session: number
  /** A worker of the key of this side. */
  worker: string
}

/** A place, and keys for it. */
export interface Side extends Place {
  key: string
  reader: string
  /** A key that only takes jobs as a worker. */
  workerKey: string
  revoked: string
  expired: string
}

/** In every name of the foreign side, and nowhere else: long enough that no sealed value or hash has it by chance. */
const foreignWord = 'zq7kwx7'
const foreignNumbers = 7_770_001

/** The foreign side has used it for its run. */
export const idempotencyKey = 'the-same-for-both'

const fail = (what: string, answer: { status: number; body: Body }): never => {
  throw new Error(`the world could not be made: ${what} answered ${answer.status} ${JSON.stringify(answer.body)}`)
}

const makeSide = async (jetty: TestServer, word: string): Promise<Side> => {
  const name = (text: string) => (word ? `${text}-${word}` : text)
  const call = async (method: string, path: string, body?: unknown, token?: string) => {
    const answer = await jetty.call(method, path, body, token)
    return answer.status < 300 ? answer.body : fail(`${method} ${path}`, answer)
  }
  const collection = name('acme')
  const task = name('job')
  if (word) await call('POST', '/api/v1/collections', { name: collection })
  await call('PATCH', `/api/v1/collections/${collection}/environment`, {
    environment_variables: { [`VARIABLE_${word}`]: `sealed-${word}-value` },
  })
  const makeKey = (text: string, more: object = {}) =>
    call('POST', '/api/v1/api-keys', { name: name(text), collection_name: collection, ...more })
  const [writer, spare, reader, worker, revoked, expired] = [
    await makeKey('writer'),
    await makeKey('spare'),
    await makeKey('reader', { access_level: 'READ' }),
    await makeKey('worker', { access_level: 'WORKER' }),
    await makeKey('revoked'),
    await makeKey('expired', { expires_at: '2020-01-01T00:00:00Z' }),
  ]
  await call('PUT', `/api/v1/api-keys/${revoked.id}`, { is_active: false })
  const key = writer.api_key

  const workflow = { step_configs: { say: { activity: 'text_echo', text: name('said') } }, steps: ['say'] }
  await call('POST', `/api/v1/tasks/${collection}`, { name: task, workflow, description: name('job') }, key)
  const history = await call('GET', `/api/v1/tasks/${collection}/${task}/history`, undefined, key)
  const started = {
    path: `/api/v1/run-sync/${collection}/${task}`,
    form: { init_params: '{}', files: new File([name('content')], `${name('sent')}.txt`) },
  }
  const keyed = { authorization: `Bearer ${key}`, ...(word ? { 'idempotency-key': idempotencyKey } : {}) }
  const run = JSON.parse((await send(Number(new URL(jetty.url).port), 'POST', started, keyed)).text)
  // Told of at an address that is never called: nothing leaves the machine.
  await jetty.server.database.query(
    `with told as (update runs set webhook_url = 'http://10.9.8.7/' where trajectory_id = $1 returning id)
     insert into webhook_attempts (run_id, by_hand, delivered, started_at, duration_ms)
     select id, false, false, now(), 1 from told`,
    [run.trajectory_id],
  )
  const labels = `/api/v1/trajectory/${collection}/${task}/${run.trajectory_id}/labels`
  await call('POST', labels, { key: name('label'), value: name('good'), author: name('ann') }, key)
  for (const of of ['user', 'session']) {
    await call('POST', labels, { key: of, value: name('label'), author: name('ann') }, key)
  }
  const judges = [{ name: 'polite', instruction: name('polite'), model: 'scripted/echo', binary: true }]
  const evaluation = { name: name('evaluation'), items: [{ id: name('item') }], judges }
  const evaluated = await call('POST', `/api/v1/evaluations/${collection}/${task}`, evaluation, key)
  const result = `/api/v1/evaluations/${collection}/${evaluated.evaluation_id}`
  while ((await call('GET', result, undefined, key)).ended === null) await pause(20) // all of it has its numbers
  const ingested = 'eval:1'
  const sentIn = { trajectory_id: ingested, output: name('output') }
  await call('POST', `/api/v1/trajectories/${collection}/${task}/ingest`, sentIn, key)
  const { batch_id: batch } = await call(
    'POST',
    `/api/v1/run-batch/${collection}/${task}`,
    { items: [{ text: name('item') }], name: name('batch'), labels: { [name('experiment')]: name('seven') } },
    key,
  )
  const progress = `/api/v1/batches/${collection}/${batch}`
  while ((await call('GET', progress, undefined, key)).ended === null) await pause(20) // nothing of it changes any more
  const cadence = { type: 'daily', hour_utc: (new Date().getUTCHours() + 12) % 24 } // not while it is looked at
  const routine = { name: name('daily'), cadence, init_params_overrides: {} }
  await call('POST', `/api/v1/routines/${collection}/${task}`, routine, key)
  const made = { name: name('hook'), task, sender: 'github', disabled: true }
  const hook = await call('POST', `/api/v1/hooks/${collection}`, made, key)
  const sent = JSON.stringify({ text: name('sent') })
  const signature = `sha256=${createHmac('sha256', hook.secret).update(sent).digest('hex')}`
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature }
  const { delivery } = (await (await fetch(hook.url, { method: 'POST', headers, body: sent })).json()) as Body
  const gate = name('gate')
  const gated = { step_configs: { ask: { activity: 'wait_for_approval', message: name('may-it') } }, steps: ['ask'] }
  await call('POST', `/api/v1/tasks/${collection}`, { name: gate, workflow: gated }, key)
  const { trajectory_id: waiting } = await call('POST', `/api/v1/run/${collection}/${gate}`, {}, key)
  const parked = 'select from runs where trajectory_id = $1 and lease is null'
  while ((await jetty.server.database.query(parked, [waiting])).length === 0) await pause(20)
  const actions = `/api/v1/runs/${collection}/bulk`
  const change = { action: 'label', ids: [run.trajectory_id], label: { key: name('label'), value: name('bulk') } }
  const { bulk_id: bulk } = await call('POST', actions, change, key)
  while ((await call('GET', `${actions}/${bulk}`, undefined, key)).ended === null) await pause(20)
  const trial = { name: name('backtest'), runs: { last: 1 } }
  const experiments = `/api/v1/experiments/${collection}`
  const { experiment_id: experiment } = await call('POST', `${experiments}/${task}`, trial, key)
  while ((await call('GET', `${experiments}/${experiment}`, undefined, key)).ended === null) await pause(20)
  const view = name('view')
  await call('PUT', `/api/v1/views/${collection}/${view}`, { query: `q=${name('x')}` }, key)
  const kept = { event: name('paid'), key: name('order') }
  const { number } = await call('POST', `/api/v1/events/${collection}`, kept, key)
  const [dataset, model, agent] = [name('rows'), name('ranker'), name('labeller')]
  const described = { description: name('rows'), dataset_metadata: { name: name('rows') } }
  await call('POST', `/api/v1/datasets/${collection}`, { name: dataset, ...described }, key)
  const item = { id: 'a', data: { text: name('row') } }
  await call('POST', `/api/v1/datasets/${collection}/${dataset}/items`, { items: [item] }, key)
  await call('PUT', `/api/v1/tasks/${collection}/${task}/tags/silver`, { version: '~0' }, key)
  await call('PUT', `/api/v1/datasets/${collection}/${dataset}/tags/silver`, { version: '~1' }, key)
  await call('POST', `/api/v1/models/${collection}`, { name: model, model_path: name('hf://model') }, key)
  await call('POST', `/api/v1/agents/${collection}`, { name: agent }, key)
  const link = {
    source_entity_str: `task/${collection}/${task}`,
    target_entity_str: `dataset/${collection}/${dataset}`,
  }
  await call('POST', '/api/v1/entity-relationships', { ...link, activity_name: name('making') }, key)
  for (const [method, path, field] of [
    ['POST', 'data', 'data_file'],
    ['PUT', 'preview', 'preview_update'],
  ] as const) {
    const form = new FormData()
    form.append(field, new Blob([name('stored')]), `${name('stored')}.txt`)
    await call(method, `/api/v1/datasets/${collection}/${dataset}/${path}`, form, key)
  }
  const upload = new FormData()
  upload.append('collection', collection)
  upload.append('file', new Blob([name('uploaded')]), `${name('uploaded')}.txt`)
  const uploaded = await call('POST', '/api/v1/files/upload', upload, key)
  await call('POST', '/api/v1/session', { token: key })
  const { sessions } = await call('GET', '/api/v1/sessions', undefined, key)
  const offers = { name: name('machine'), activities: [{ name: `${name('team')}.resize` }] }
  const registered = await call('POST', '/api/v1/workers', offers, key)
  const trail = await call('GET', `/api/v1/collections/${collection}/audit`, undefined, key)
  return {
    collection,
    task,
    trajectory: run.trajectory_id,
    workflow: run.workflow_id,
    ingested,
    path: run.init_params.file_paths[0],
    upload: uploaded.id,
    uploadPath: uploaded.path,
    label: name('label'),
    routine: name('daily'),
    hook: name('hook'),
    delivery,
    gate,
    waiting,
    batch,
    evaluation: evaluated.evaluation_id,
    bulk,
    experiment,
    view,
    event: String(number),
    dataset,
    model,
    agent,
    version: history.versions[0].content_hash,
    keyId: writer.id,
    spareKeyId: spare.id,
    audit: trail.entries[0].id,
    session: sessions[0].id,
    key,
    worker: registered.worker_id,
    reader: reader.api_key,
    workerKey: worker.api_key,
    revoked: revoked.api_key,
    expired: expired.api_key,
  }
}

/** Ids that are numbers go on from here, so that those of the foreign side are told from all others. */
const numberFrom = async (jetty: TestServer, first: number): Promise<void> => {
  const { database } = jetty.server
  const sequences = await database.query<{ name: string }>(
    `select quote_ident(sequencename) as name from pg_sequences where schemaname = 'public' and sequencename <> 'changes'`,
  )
  // Each with numbers of its own: a text shows which one it names.
  for (const [at, { name }] of sequences.entries()) {
    await database.query(`alter sequence ${name} restart with ${first + at * 100}`)
  }
}

const unknownWord = 'xx7kwx7'

/** A place of which nothing exists, with names and ids like those of the foreign side. */
export const unknownLike = (theirs: Side): Place => {
  const renamed = (text: string) => text.replaceAll(foreignWord, unknownWord)
  const digits = (text: string) => text.replace(/[0-9a-f]{8,}$/, (all) => 'e0'.repeat(all.length / 2))
  const { collection, task, trajectory, workflow, ingested, path, upload, uploadPath, label, routine, gate } = theirs
  return {
    ...{
      collection: renamed(collection),
      task: renamed(task),
      trajectory: digits(trajectory),
      ingested: `${ingested}0`,
    },
    ...{ workflow: digits(renamed(workflow)), path: renamed(path), upload: digits(upload) },
    ...{ uploadPath: renamed(uploadPath), label: renamed(label), routine: renamed(routine), gate: renamed(gate) },
    ...{ waiting: digits(theirs.waiting), batch: digits(theirs.batch), evaluation: digits(theirs.evaluation) },
    ...{
      bulk: digits(theirs.bulk),
      experiment: digits(theirs.experiment),
      view: renamed(theirs.view),
      agent: renamed(theirs.agent),
      event: '7999995',
    },
    ...{ dataset: renamed(theirs.dataset), model: renamed(theirs.model) },
    ...{ version: digits(theirs.version), keyId: 7_999_991, spareKeyId: 7_999_992, audit: 7_999_993 },
    session: 7_999_994,
    hook: renamed(theirs.hook),
    delivery: 7_999_996,
    worker: digits(theirs.worker),
  }
}

/** What `asUnknown` replaces, the longest names first. */
const replaced = new WeakMap<Side, [from: string, to: string][]>()

const replacementsOf = (theirs: Side): [from: string, to: string][] => {
  const unknown = unknownLike(theirs)
  return (Object.keys(unknown) as (keyof Place)[])
    .map((field): [string, string] => [String(theirs[field]), String(unknown[field])])
    .sort(([one], [other]) => other.length - one.length)
}

/** A text with the names and ids of the foreign side turned into those of `unknownLike`. */
export const asUnknown = (theirs: Side, text: string): string => {
  const pairs = replaced.get(theirs) ?? replacementsOf(theirs)
  replaced.set(theirs, pairs)
  return pairs.reduce((told, [from, to]) => told.replaceAll(from, to), text)
}

/** Two sides that know nothing of each other. */
export const makeWorld = async (jetty: TestServer): Promise<{ mine: Side; theirs: Side }> => {
  const mine = await makeSide(jetty, '')
  await numberFrom(jetty, foreignNumbers)
  const theirs = await makeSide(jetty, foreignWord)
  await numberFrom(jetty, 100_000)
  return { mine, theirs }
}

/** Matches what belongs to the foreign side: `any` tells whether there is something, and `whole` finds whole names. */
const foreignPatterns = new WeakMap<Side, { any: RegExp; whole: RegExp }>()

const patternsOf = (theirs: Side): { any: RegExp; whole: RegExp } => {
  const { trajectory, waiting, evaluation, batch, bulk, upload, version, worker, key } = theirs
  const ids = [trajectory, waiting, evaluation, batch, bulk, upload, version, worker, key.slice(4), key.slice(0, 8)]
  // Not inside a longer word: a short id occurs by chance in sealed values and hashes.
  const others = `(?<![\\w+/-])(?:777\\d{4}|${ids.join('|')})(?![\\w+/-])`
  return {
    any: new RegExp(`${foreignWord}|${others}`, 'i'),
    whole: new RegExp(`[\\w.-]*${foreignWord}[\\w.-]*|${others}`, 'gi'),
  }
}

/** What of a text belongs to the foreign side: its names, ids and keys. */
export const foreignIn = (theirs: Side, text: string): string[] => {
  const { any, whole } = foreignPatterns.get(theirs) ?? patternsOf(theirs)
  foreignPatterns.set(theirs, { any, whole })
  // Whole names are found in quadratic time, and most texts have none.
  return any.test(text) ? [...new Set(text.match(whole))] : []
}
