import type { Client } from '../client/client.ts'
import { strangeAnswer } from '../client/errors.ts'
import { AppError } from '../lib/errors.ts'
import { tokenPath } from './config-files.ts'
import { dataDirHere, isSameServer } from './find-server.ts'
import type { WithheldToken } from './find-token.ts'
import { runningServers } from './serve/server-notes.ts'

/** The server that a command talks to, and the token that it sends. */
export interface ServerLogin {
  url: string
  /** The option, variable or file that named the server. */
  urlSource: string
  token: string | undefined
  /** The source of the token; undefined if there is none, and only public operations work. */
  tokenSource: string | undefined
  /** A stored token for another server, which is not sent. */
  withheld: WithheldToken | undefined
}

export interface Health {
  version?: string
  uptime_seconds?: number
}

/** Asks the server how it is; throws if it does not answer, or if another program answers in its place. */
export const askHealth = async ({ client, url }: { client: Client; url: string }): Promise<Health> => {
  const health = (await client.getHealth()) as Health & { status?: unknown }
  if (typeof health?.status !== 'string') throw strangeAnswer(url, undefined)
  return health
}

/** A command stumbles over an answer in another form than Jetty's: then it says that another program answers, if one does. */
export const explainStranger = async (session: { client: Client; url: string }, error: unknown): Promise<unknown> =>
  error instanceof TypeError
    ? await askHealth(session).then(
        () => error,
        (strange: unknown) => strange,
      )
    : error

/** Adds the server and the token's source to an error they explain: an invalid token, or no answer. */
export const explainConnection = (session: ServerLogin, error: unknown): unknown => {
  if (!(error instanceof AppError)) return error
  if (error.code === 'unauthenticated') return aboutToken(session, error)
  // The client names the address that did not answer; an error of npm or of a download is about another one.
  const isAboutServer = error.code === 'network_failed' && error.message.includes(session.url)
  return isAboutServer ? aboutServer(session, error) : error
}

const aboutToken = ({ url, token, tokenSource, withheld }: ServerLogin, error: AppError): AppError => {
  if (withheld) {
    return new AppError('unauthenticated', `There is no token for ${url}`, {
      hint: `The token in ${withheld.source} belongs to ${withheld.madeFor} and was not sent. Log in with: jetty login --url ${url}`,
      cause: error,
    })
  }
  if (token === undefined) {
    return new AppError('unauthenticated', `There is no token for ${url}`, {
      hint: `Log in with: jetty login --url ${url}`,
      cause: error,
    })
  }
  const login = `\`jetty login --url ${url}\``
  const hint =
    tokenSource === 'JETTY_API_TOKEN'
      ? `JETTY_API_TOKEN is set, and overrides the token of \`jetty login\` in ${tokenPath()}. Correct it, or unset it.`
      : tokenSource === tokenPath()
        ? `Run ${login} with a token that this server accepts.`
        : `Write a token that this server accepts into the file, or leave out --token-file.`
  return new AppError('unauthenticated', `${url} refused the token from ${tokenSource}: ${error.message}`, {
    hint,
    cause: error,
  })
}

/** Suggests another server that runs on this machine, or how to start one. */
const aboutServer = ({ url, urlSource }: ServerLogin, error: AppError): AppError => {
  const dataDir = dataDirHere()
  const other = runningServers(dataDir).find((one) => one.url !== null && !isSameServer(one.url, url))
  const named = urlSource === 'the default' ? error.message : `${error.message} (the address comes from ${urlSource})`
  const hint = other
    ? `The server of the data folder ${dataDir} listens at ${other.url}. Select it with --url or JETTY_API_URL.`
    : (error.hint ?? 'Start a server there with `jetty serve`, or name another one with --url or JETTY_API_URL.')
  return new AppError(error.code, named, { hint, cause: error })
}
