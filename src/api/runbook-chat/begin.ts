import type { RunRequest } from '../../engine/engine.ts'
import type { AuditTrail } from '../../http/audit.ts'
import type { PlacedAdmission } from '../../http/authorise.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import type { Fetch } from '../../lib/net/net.ts'
import { authorOf } from '../../model/collections/identity.ts'
import type { RunbookChat } from '../../model/runbooks/runbook-chat.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { definitionHash, findTask, type TaskRow } from '../../store/tasks/tasks.ts'
import { checkParameters } from '../runs/parameters.ts'
import { runTrial } from '../runs/run-trial.ts'
import type { TaskRunDeps } from '../runs/start.ts'
import { webhookOf } from '../webhooks/check-url.ts'
import { makeChatTask, standardText } from './ensure-task.ts'
import { fetchRunbook } from './fetch-runbook.ts'
import { type ChatTexts, parametersOf } from './parameters.ts'
import { namedForChat } from './places-of-fields.ts'
import { readMessages } from './read.ts'
import { hasInstruction, hasRunbookStep, overridden } from './workflow.ts'

export interface BeginDeps extends TaskRunDeps {
  fetch: Fetch
  audit: AuditTrail
}

/** An admitted chat, with the signal that ends waiting for it. */
export interface AdmittedChat extends PlacedAdmission {
  chat: RunbookChat
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
  const { chat, collection, identity } = asked
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
