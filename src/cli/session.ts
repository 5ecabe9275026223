import type { Command } from 'commander'
import { makeCaller } from '../client/caller.ts'
import { type AnyInput, type Caller, type Client, makeClient } from '../client/client.ts'
import { loadOperations } from '../client/load-operations.ts'
import type { Operations } from '../client/operations.ts'
import { AppError } from '../lib/errors.ts'
import { isObject } from '../lib/json/json-object.ts'
import { nearest } from '../lib/text/nearest.ts'
import { readTrace, traceHeaders } from '../lib/text/trace-context.ts'
import { version } from '../lib/version.ts'
import { explainConnection, explainStranger, type ServerLogin } from './explain-connection.ts'
import { findServer } from './find-server.ts'
import { findToken } from './find-token.ts'
import { sendByHttp } from './send-by-http.ts'
import { type CommandOutput, makeOutput } from './show/output.ts'

/** Options of every command, before or after its name. */
export interface Globals {
  json?: boolean
  url?: string
  tokenFile?: string
}

export const addGlobals = (program: Command): Command =>
  program
    .option('--json', 'print only JSON on stdout')
    .option('--url <url>', 'server to use (default: the one that `jetty status` shows)')
    .option('--token-file <path>', 'file with the token (default: JETTY_API_TOKEN, then ~/.config/jetty/token)')

/** Inputs of failed calls, by error. */
const inputs = new WeakMap<AppError, AnyInput>()

/** Wraps a caller so that it remembers the input of each failed call. */
const remembering =
  (call: Caller): Caller =>
  async (name, input = {}) => {
    try {
      return await call(name, input)
    } catch (error) {
      if (error instanceof AppError) inputs.set(error, input)
      throw error
    }
  }

interface Wanted {
  collection?: string
  task?: string
  trajectory_id?: string
  ref?: string
  activity?: string
  dataset?: string
  path?: string
}

/** Names in a call: mostly in its path, some in its body or query. */
const wantedBy = ({ params, query, body }: AnyInput): Wanted => {
  if (typeof query?.prefix === 'string') {
    const [collection, task] = query.prefix.split('/')
    return { ...(collection ? { collection } : {}), ...(task ? { task } : {}) }
  }
  if (params?.path !== undefined) return { collection: params.path.split('/', 1)[0] ?? '', path: params.path }
  const { jetty, collection, collection_name: named = collection } = (body ?? {}) as Record<string, unknown>
  if (isObject(jetty) && typeof jetty.collection === 'string') return { collection: jetty.collection }
  return { ...(typeof named === 'string' ? { collection: named } : {}), ...params }
}

/** Looks a name up: the exact one, the probably intended one, or neither. */
const look = (word: string, names: string[]): { known?: string; meant?: string } => {
  const known = names.find((name) => name.toLowerCase() === word.toLowerCase())
  if (known !== undefined) return { known }
  const meant = nearest(word, names)
  return meant === undefined ? {} : { meant }
}

const namesOf = (things: { name: string }[]): string[] => things.map(({ name }) => name)
const didYouMean = (text: string): string => `Did you mean ${text}?`

const fileHint = (collection: string, isKnown: boolean): string =>
  isKnown ? `jetty files ls ${collection} lists its files.` : didYouMean(collection)

const datasetHint = async (client: Client, collection: string, dataset: string): Promise<string> => {
  const { meant } = look(dataset, namesOf(await client.listDatasets({ params: { collection } })))
  return meant === undefined
    ? `jetty datasets ls ${collection} lists its datasets.`
    : didYouMean(`${collection}/${meant}`)
}

const taskHint = async (client: Client, collection: string, wanted: Wanted, isKnown: boolean) => {
  if (wanted.task === undefined) return isKnown ? undefined : didYouMean(collection)
  const tasks = namesOf(await client.listTasks({ params: { collection }, query: { limit: 500 } }))
  const { known, meant } = look(wanted.task, tasks)
  const task = known ?? meant
  if (!isKnown) return didYouMean(task === undefined ? collection : `${collection}/${task}`)
  if (meant !== undefined) return didYouMean(`${collection}/${meant}`)
  if (known === undefined) return `jetty tasks ls ${collection} lists its tasks.`
  if (wanted.ref !== undefined) return `jetty tasks history ${collection}/${known} lists the versions.`
  return wanted.trajectory_id === undefined ? undefined : `jetty runs ls ${collection}/${known} lists its runs.`
}

const hintFor = async (client: Client, wanted: Wanted): Promise<string | undefined> => {
  if (wanted.activity !== undefined) {
    const { meant } = look(wanted.activity, namesOf((await client.listStepTemplates()).templates))
    return meant === undefined ? 'jetty templates ls lists them.' : didYouMean(meant)
  }
  if (wanted.collection === undefined) return undefined
  const { known, meant } = look(wanted.collection, namesOf(await client.listCollections({ query: { limit: 500 } })))
  const collection = known ?? meant
  if (collection === undefined) return 'jetty collections ls lists them.'
  if (wanted.dataset !== undefined) return datasetHint(client, collection, wanted.dataset)
  return wanted.path === undefined
    ? taskHint(client, collection, wanted, known !== undefined)
    : fileHint(collection, known !== undefined)
}

/** Hint for a missing key: the command that sets it, or that passes it to one run. */
const keyHint = ({ message, hint }: AppError, { collection = '<collection>' }: Wanted): string | undefined => {
  const variable = hint?.includes('secret_params') ? /\bset ([A-Z][A-Z0-9_]*)/.exec(message)?.[1] : undefined
  return (
    variable &&
    `jetty env set ${collection} ${variable} asks for it; jetty run takes it for one run with --secret ${variable}.`
  )
}

/** Next steps for messages that clients of the hosted service know as they are. */
const nextSteps: Readonly<Record<string, string>> = {
  'API key not found': 'jetty keys ls <collection> lists the keys with their ids.',
  'Collection already exists': 'Use it as it is, or choose another name. jetty collections ls lists them.',
  'Dataset already exists': 'Use it as it is, or choose another name. jetty datasets ls <collection> lists them.',
}

/** Adds to an error about an unknown name or a missing key a hint with the command to type. */
const suggesting = async (client: Client, error: unknown): Promise<unknown> => {
  const input = error instanceof AppError ? inputs.get(error) : undefined
  if (!input || !(error instanceof AppError)) return error
  const wanted = wantedBy(input)
  const hint =
    nextSteps[error.message] ??
    (error.code === 'not_found' ? await hintFor(client, wanted).catch(() => undefined) : keyHint(error, wanted))
  return hint === undefined ? error : new AppError(error.code, error.message, { hint, cause: error })
}

/** Context of a command: the server, clients for it, and the output. */
export interface Session extends ServerLogin {
  client: Client
  operations: Operations
  /** Calls an operation known only at run time. */
  call: Caller
  out: CommandOutput
  /** Fires at Ctrl-C. */
  signal: AbortSignal
}

/** Opens a session without a first request. */
const openSession = async (globals: Globals): Promise<Session> => {
  const server = findServer(globals.url)
  const { url } = server
  const { found, withheld } = findToken(globals.tokenFile, server)
  const operations = await loadOperations()
  const out = makeOutput(globals.json ?? false)
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = process.env
  const headers = { ...traceHeaders(readTrace({ traceparent, tracestate })) }
  const connection = { url, token: found?.token, agent: `jetty-cli/${version}`, headers, onWarning: out.warn }
  const call = remembering(makeCaller(operations, connection, sendByHttp))
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort()
    process.once('SIGINT', () => process.exit(130))
  })
  return {
    url,
    urlSource: server.source,
    tokenSource: found?.source,
    token: found?.token,
    withheld,
    client: makeClient(operations, call),
    operations,
    call,
    out,
    signal: interrupted.signal,
  }
}

/** Wraps an action that receives a session before its arguments. The command's options come last. */
export const withSession =
  <Options extends object, Args extends unknown[] = string[]>(
    act: (session: Session, args: Args, options: Options & Globals) => Promise<void>,
  ) =>
  async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command
    const options = command.optsWithGlobals<Options & Globals>()
    const session = await openSession(options)
    try {
      await act(session, command.processedArgs as Args, options)
    } catch (error) {
      throw await suggesting(session.client, explainConnection(session, await explainStranger(session, error)))
    }
  }
