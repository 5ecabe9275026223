import type { Dispatcher } from 'undici'
import type { Fetch, FetcherOptions } from '../lib/net/net.ts'
import type { Open } from '../lib/net/open.ts'
import type { RunSql } from '../lib/sql/statement.ts'

/** Requests to other hosts, refused where an address is private and not allowed. */
export interface OutboundNetwork {
  /** Reads the whole response body. */
  fetch: Fetch
  /** Returns the response as soon as its headers are there, for bodies that are streamed or skipped. */
  open: Open
  /** Sends a statement to a database. */
  sql: RunSql
  /** The undici agent that sends the requests, for callers that pass bytes through. */
  agent(): Promise<Dispatcher>
}

type OutboundOptions = Omit<FetcherOptions, 'allowPrivateNetwork' | 'agent'> & { allowPrivateNetwork: string[] }

/** Makes the guarded client. It loads undici with the first request: that takes 100 ms, which recovery would wait for. */
export const makeOutboundNetwork = (options: OutboundOptions): OutboundNetwork => {
  let loading: Promise<{ agent: Dispatcher; fetch: Fetch; open: Open }> | undefined
  const load = async () => {
    const { makeFetcher, makeGuardedAgent, parseAllowRules } = await import('../lib/net/net.ts')
    const { makeOpener } = await import('../lib/net/open.ts')
    const checked = { ...options, allowPrivateNetwork: parseAllowRules(options.allowPrivateNetwork) }
    const agent = makeGuardedAgent(checked)
    return { agent, fetch: makeFetcher({ ...checked, agent }), open: makeOpener(agent) }
  }
  const loaded = () => {
    loading ??= load()
    return loading
  }
  let loadingSql: Promise<RunSql> | undefined
  const loadSql = async () => {
    const { parseAllowRules } = await import('../lib/net/net.ts')
    const { makeSqlRunner } = await import('../lib/sql/run-sql.ts')
    return makeSqlRunner({ ...options, allowPrivateNetwork: parseAllowRules(options.allowPrivateNetwork) })
  }
  const loadedSql = () => {
    loadingSql ??= loadSql()
    return loadingSql
  }
  return {
    fetch: async (url, request) => (await loaded()).fetch(url, request),
    open: async (url, request) => (await loaded()).open(url, request),
    sql: async (statement) => (await loadedSql())(statement),
    agent: async () => (await loaded()).agent,
  }
}
