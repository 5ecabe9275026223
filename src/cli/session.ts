import type { Command } from 'commander'
import { makeCaller } from '../client/caller.ts'
import { type Caller, type Client, makeClient } from '../client/client.ts'
import { loadOperations } from '../client/load-operations.ts'
import type { Operations } from '../client/operations.ts'
import { version } from '../lib/version.ts'
import { aboutConnection, type ServerLogin } from './about-connection.ts'
import { remembering, suggesting } from './did-you-mean.ts'
import { findServer } from './find-server.ts'
import { findToken } from './find-token.ts'
import type { Globals } from './globals.ts'
import { sendByHttp } from './send-by-http.ts'
import { type CommandOutput, makeOutput } from './show/output.ts'

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
  const connection = { url, token: found?.token, agent: `jetty-cli/${version}`, onWarning: out.warn }
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
      throw await suggesting(session.client, aboutConnection(session, error))
    }
  }
