import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import type { Database } from '../../store/database/database.ts'
import { healthContract } from './contract.ts'
import type { Readiness } from './readiness.ts'
import { whoami } from './whoami.ts'

interface HealthDeps {
  database: Database
  readiness: Readiness
  version: string
  /** The OpenAPI document as text. It describes all contracts, which this resource does not know. */
  openApi(): string
  welcomePage(): Reply
}

/** A browser at `/` gets a page with links. Programs, which accept anything or JSON, get the state of the server. */
const isBrowserAtRoot = ({ target, headers }: Pick<AnyCall, 'target' | 'headers'>): boolean =>
  target.split('?', 1)[0] === '/' && (headers.accept ?? '').includes('text/html')

export const healthRoutes = ({ database, readiness, version, openApi, welcomePage }: HealthDeps): Route[] => {
  const started = performance.now()
  return implement(healthContract, {
    getHealth: async (call) =>
      isBrowserAtRoot(call)
        ? welcomePage()
        : {
            status: 'healthy' as const,
            version,
            uptime_seconds: Math.round((performance.now() - started) / 1000),
          },
    getReady: async () => {
      const state = await readiness.look()
      if (state.ready) return state
      return rawJson(JSON.stringify(state), { status: 503, headers: { 'retry-after': '1' } })
    },
    getOpenApi: async () => rawJson(openApi()),
    whoAmI: async ({ identity }) => whoami(database, identity),
  })
}
