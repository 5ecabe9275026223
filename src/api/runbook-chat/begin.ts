import type { RunRequest } from '../../engine/engine.ts'
import { type AuditTrail, recorded } from '../../http/audit.ts'
import type { PlacedAdmission } from '../../http/authorise.ts'
import { AppError, type FieldIssue, invalidField, messageOf } from '../../lib/errors.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { Fetch } from '../../lib/net/net.ts'
import { authorOf, type FoundCollection, type Identity } from '../../model/collections/identity.ts'
import { type RunbookBlock, type RunbookChat, runbookBlockSchema } from '../../model/runbooks/runbook-chat.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { standardRunbookTask, standardRunbookWorkflow } from '../../model/runbooks/standard-runbook.ts'
import type { StartLabel } from '../../model/runs/label.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { createTask, definitionHash, findTask, type TaskRow } from '../../store/tasks/tasks.ts'
import { resolvedLists } from '../runs/file-paths.ts'
import { checkParameters, runTrial, type TaskRunDeps } from '../runs/start.ts'
import { webhookOf } from '../webhooks/check-url.ts'
import { readMessages } from './read.ts'

/** Workflow of a task created by a chat. */
const standardText = JSON.stringify(standardRunbookWorkflow())

/** Creates the task that a chat names, with an audit entry; undefined if another request has created it meanwhile. */
const makeChatTask = async (
  { database, audit }: { database: Database; audit: AuditTrail },
  identity: Identity,
  collection: FoundCollection,
  name: string,
): Promise<TaskRow | undefined> => {
  const make = async () => {
    const made = await createTask(database, collection.id, {
      name,
      workflow: standardText,
      description: 'Runbooks of chats',
      version: null,
      ...standardRunbookTask,
      is_private: true,
      croissant_metadata: null,
    })
    if (made === 'gone') throw new AppError('not_found', 'Collection not found')
    if (made === 'taken') throw new Taken()
    return made
  }
  const entry = {
    identity,
    collection,
    operation: 'createTask',
    target: `${collection.name}/${name}`,
    changes: { name },
  }
  try {
    return (await recorded(audit, entry, {}, make, () => {})) as TaskRow
  } catch (error) {
    if (error instanceof Taken) return undefined
    throw error
  }
}

/** Rolls the transaction back when another request was first, so that the audit trail has one entry. */
class Taken extends AppError {
  constructor() {
    super('already_exists', 'The task already exists')
  }
}

const activity = 'runbook'

/** Members of the block that override the steps for one run. */
const overriding = [
  'timeout_sec',
  'cpus',
  'memory',
  'network_enabled',
  'agent_env',
  'mcp_servers',
  'image',
] as const satisfies readonly (keyof RunbookBlock)[]

const runbookSteps = (workflow: Workflow): [name: string, config: Record<string, unknown>][] =>
  Object.entries(workflow.step_configs ?? {}).filter(([, config]) => isObject(config) && config.activity === activity)

/** Applies a block to the runbook steps of a workflow; undefined when it changes nothing. */
const overridden = (workflow: Workflow, block: RunbookBlock): Workflow | undefined => {
  const given = overriding.filter((name) => block[name] != null)
  const steps = runbookSteps(workflow)
  if (given.length === 0 || steps.length === 0) return undefined
  const replaced = new Set<string>(given.flatMap((name) => [name, `${name}_path`]))
  const values = Object.fromEntries(given.map((name) => [name, block[name]]))
  const changed = steps.map(([name, config]) => {
    const kept = Object.entries(config).filter(([parameter]) => !replaced.has(parameter))
    return [name, { ...Object.fromEntries(kept), ...values }]
  })
  return { ...workflow, step_configs: { ...workflow.step_configs, ...Object.fromEntries(changed) } }
}

/** Tells whether a run can reach a runbook step: the step is listed, or a branch of another step names it. */
const hasRunbookStep = (workflow: Workflow): boolean => {
  const configs = Object.entries(workflow.step_configs ?? {})
  const isNamedBesides = (name: string): boolean =>
    configs.some(([other, config]) => other !== name && isObject(config) && Object.values(config).includes(name))
  return runbookSteps(workflow).some(([name]) => (workflow.steps ?? []).includes(name) || isNamedBesides(name))
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''

/** Tells whether the workflow contains a runbook of its own. */
const hasInstruction = (workflow: Workflow): boolean =>
  isText(workflow.init_params?.instruction) || runbookSteps(workflow).some(([, { instruction }]) => isText(instruction))

interface ChatTexts {
  runbook: string | undefined
  prompt: string | undefined
}

/**
 * Builds the parameters of a chat's run. Values that the chat omits come from the task, or are null: the paths of the
 * standard workflow refer to all of them.
 */
const parametersOf = async (
  database: Queries,
  collection: Pick<FoundCollection, 'id' | 'name'>,
  workflow: Workflow,
  { model, jetty }: RunbookChat,
  { runbook, prompt }: ChatTexts,
): Promise<Record<string, unknown>> => {
  const lists = [
    { given: jetty.file_paths ?? [], loc: ['body', 'jetty', 'file_paths'] },
    { given: jetty.files ?? [], loc: ['body', 'jetty', 'files'] },
  ]
  const files = (await resolvedLists(database, collection, lists)).flat()
  const own = workflow.init_params ?? {}
  const given: Record<string, unknown> = {
    agent: jetty.agent,
    model: model || undefined,
    model_provider: jetty.model_provider,
    snapshot: jetty.snapshot,
    instruction: runbook,
    prompt,
    vars: jetty.template_variables && { results_dir: inside.results, ...jetty.template_variables },
    file_paths: files.length > 0 ? files : undefined,
  }
  const unsaid: Record<string, unknown> = { vars: { results_dir: inside.results }, file_paths: [] }
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (value != null) return [[name, value]]
      return Object.hasOwn(own, name) ? [] : [[name, unsaid[name] ?? null]]
    }),
  )
}

/** Maximum bytes of a fetched runbook; published ones have at most 40,000. */
const mostBytes = 512 * 1024
const withinSeconds = 20

const field = ['body', 'jetty', 'runbook_url']

/** Converts the URL of a page that shows a file to that of the file. */
const asRaw = (url: URL): URL => {
  const [, owner, repository, kind, ...rest] = url.pathname.split('/')
  const isPage = url.hostname === 'github.com' && (kind === 'blob' || kind === 'raw') && rest.length > 1
  return isPage ? new URL(`https://raw.githubusercontent.com/${owner}/${repository}/${rest.join('/')}`) : url
}

const secureUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return asRaw(url)
  throw invalidField(field, 'Expected an https URL without a user name or password')
}

/** Fetches a runbook from an https URL. Throws a 422 with the reason of a failure. */
const fetchRunbook = async (
  fetch: Fetch,
  text: string,
  options: { allowedHosts: readonly string[] | undefined; signal: AbortSignal },
): Promise<string> => {
  const url = secureUrl(text)
  const request = { maxBytes: mostBytes, timeoutSeconds: withinSeconds, ...options }
  const answer = await fetch(url.href, request).catch((error: unknown) => {
    throw error instanceof AppError ? invalidField(field, messageOf(error), error.code) : error
  })
  if (!answer.url.startsWith('https:')) throw invalidField(field, 'The URL redirects to an address without https')
  if (answer.status !== 200) {
    throw invalidField(field, `${url.host} answered with status ${answer.status}`, 'upstream_failed')
  }
  const runbook = (await answer.text()).trim()
  if (runbook === '') throw invalidField(field, 'The file at this address is empty')
  if (/^<(!doctype|html)\b/i.test(runbook)) {
    throw invalidField(field, 'This address is a web page; use the address of the markdown file itself')
  }
  return runbook
}

/** Paths of fields in a chat, by their names in runs, steps and preflight. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  instruction: ['messages'],
  runbook: ['messages'],
  prompt: ['messages'],
  model: ['model'],
  files: ['jetty', 'file_paths'],
  variables: ['jetty', 'template_variables'],
}

const inBlock = new Set(Object.keys(runbookBlockSchema.shape))

const inChat = ({ loc, ...issue }: FieldIssue): FieldIssue => {
  const [where, field = '', ...rest] = loc
  const name = String(field)
  const place = elsewhere[name] ?? (inBlock.has(name) ? ['jetty', name] : [name])
  return { ...issue, loc: where === 'body' ? ['body', ...place, ...rest] : loc }
}

/** Renames the fields in a run's error to those of a chat. */
const namedForChat = (error: unknown): unknown => {
  if (!(error instanceof AppError) || !error.issues) return error
  const { code, message, hint, cause, retryable, extra, issues } = error
  return new AppError(code, message, {
    retryable,
    issues: issues.map(inChat),
    ...(hint !== undefined && { hint }),
    ...(extra && { extra }),
    ...(cause !== undefined && { cause }),
  })
}

export interface BeginDeps extends TaskRunDeps {
  fetch: Fetch
  audit: AuditTrail
}

/** An admitted chat, with the signal that ends waiting for it. */
export interface AdmittedChat extends PlacedAdmission {
  chat: RunbookChat
  /** Labels of its block and of its header. */
  labels: readonly StartLabel[]
  signal: AbortSignal
}

/** The fields of a task that a run needs. The task may not exist yet. */
type ChatTask = Pick<TaskRow, 'id' | 'name' | 'workflow'>

const noRunbook = () =>
  invalidField(
    ['body', 'messages'],
    'Field required: a message of the role system with the runbook, or jetty.runbook_url; the task has no runbook of its own',
    'missing',
  )

const textsOf = async ({ fetch }: BeginDeps, { chat, collection, signal }: AdmittedChat): Promise<ChatTexts> => {
  const texts = readMessages(chat)
  const { runbook_url: url } = chat.jetty
  if (!url) return texts
  if (texts.runbook !== undefined) {
    throw invalidField(
      ['body', 'jetty', 'runbook_url'],
      'The request also has a system message: send the runbook only once',
    )
  }
  const allowedHosts = collection.settings?.allowed_hosts ?? undefined
  return { ...texts, runbook: await fetchRunbook(fetch, url, { allowedHosts, signal }) }
}

/** Without this check, the answer would be the output of another step, with the status `completed`. */
const noRunbookStep = (task: string) =>
  new AppError('invalid', `Task '${task}' has no runbook step`, {
    hint: 'Name a task that does not exist yet; it is created with a runbook step. Or run this task with POST /api/v1/run.',
  })

/** Plans the run of a chat: checks all of it, and writes nothing. The trajectory id is assigned later. */
const planned = async (deps: BeginDeps, asked: AdmittedChat, task: ChatTask, texts: ChatTexts) => {
  const { chat, labels, collection, identity } = asked
  const { jetty } = chat
  const workflow = (parsedObject(task.workflow) ?? {}) as Workflow
  if (!hasRunbookStep(workflow) && !(await isUnknown(deps.engine, task.workflow))) throw noRunbookStep(task.name)
  if (texts.runbook === undefined && !hasInstruction(workflow)) throw noRunbook()
  const webhook = await webhookOf(deps, jetty, collection)
  const initParams = await parametersOf(deps.database, collection, workflow, chat, texts)
  const secrets = jetty.secret_params ?? {}
  checkParameters(
    {
      init_params: initParams,
      secret_params: secrets,
      ...(jetty.subscription_credential && { subscription_credential: jetty.subscription_credential }),
    },
    false,
    deps.settings.maxInitParamsBytes,
  )
  const changed = overridden(workflow, jetty)
  return {
    workflow: changed ? JSON.stringify(changed) : task.workflow,
    request: {
      collection: { ...collection, environmentId: collection.environment_id },
      initParams,
      secrets,
      files: [],
      author: authorOf(identity),
      labels,
      ...(webhook && { webhook }),
    },
  }
}

/** A workflow with an activity that is not known here: its run is what says so, as that of any other task does. */
const isUnknown = async (engine: BeginDeps['engine'], workflow: string): Promise<boolean> => {
  const problems = await engine.problems((parsedObject(workflow) ?? {}) as Workflow)
  return problems.some((problem) => problem.includes('No step registered for'))
}

/**
 * Makes the request for the run of a chat. Creates the task if it does not exist, after all checks have passed. Throws
 * the error to answer with.
 */
export const requestOfChat = (deps: BeginDeps, asked: AdmittedChat): Promise<RunRequest> =>
  checkedRequest(deps, asked).catch((error: unknown) => {
    throw namedForChat(error)
  })

const checkedRequest = async (deps: BeginDeps, asked: AdmittedChat): Promise<RunRequest> => {
  const { database, engine } = deps
  const { collection, chat, identity } = asked
  const { task: name, use_trial_keys: isTrial } = chat.jetty
  const texts = await textsOf(deps, asked)
  for (;;) {
    const there = await findTask(database, collection.id, name)
    const standard: ChatTask = { id: 0, name, workflow: standardText }
    const plan = await planned(deps, asked, there ?? standard, texts)
    // Kept before anything else: preflight and run find the workflow by its hash.
    const definition = plan.workflow === there?.workflow ? there.definition : definitionHash(plan.workflow)
    if (definition !== there?.definition) {
      await keepDefinition(database, { hash: definition, workflow: plan.workflow })
    }
    const request = { ...plan.request, task: { id: there?.id ?? 0, name: there?.name ?? name, definition } }
    const lent = isTrial ? await runTrial(deps).check({ ...request, key: '' }) : []
    if (!(await isUnknown(engine, plan.workflow)))
      await engine.preflight({ ...request, lent, runs: [request.initParams] })
    if (there) return request
    const made = await makeChatTask(deps, identity, collection, name)
    if (made) return { ...request, task: { ...request.task, id: made.id, name: made.name } }
  }
}
