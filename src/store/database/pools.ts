import { type Database, type DatabaseOptions, openDatabase } from './database.ts'

/** Connection pools of one process, which cannot exhaust each other. */
export interface Pools {
  /** Requests and housekeeping. `statistics`, `refuse` and `cut` cover all pools. */
  database: Database
  /** Work on runs, which never takes connections from requests. */
  bulk: Database
  /** Authentication, cancels and heartbeats: short statements that must never queue behind others. */
  urgent: Database
  close(): Promise<void>
}

/** Connections outside the pools: journal, call records, listener, watch, and one for a key rotation. */
const ownConnections = 5

/** Divides the connections of one process (JETTY_DATABASE_CONNECTIONS) among its pools. */
const shareConnections = (total: number) => {
  const pooled = total - ownConnections
  const urgent = Math.min(2, Math.max(1, Math.floor(pooled / 5)))
  const runs = Math.max(2, Math.floor((pooled - urgent) * 0.4))
  return { urgent, runs, requests: pooled - urgent - runs }
}

/** Opens the pools, which connect on first use, and have `connections` together with those outside. */
export const openPools = (
  url: string,
  connections: number,
  options: Pick<DatabaseOptions, 'slowMs' | 'onSlow' | 'onFault'>,
): Pools => {
  const shares = shareConnections(connections)
  const requests = openDatabase(url, { ...options, connections: shares.requests })
  const bulk = openDatabase(url, { ...options, connections: shares.runs, name: 'jetty runs' })
  const urgent = openDatabase(url, { ...options, connections: shares.urgent, name: 'jetty urgent' })
  const all = [requests, bulk, urgent]
  const statistics: Database['statistics'] = () => {
    const each = all.map((pool) => pool.statistics())
    const sum = (state: 'used' | 'idle' | 'waiting') => each.reduce((total, one) => total + one[state], 0)
    return { used: sum('used'), idle: sum('idle'), waiting: sum('waiting') }
  }
  return {
    database: {
      ...requests,
      statistics,
      refuse(reason) {
        for (const pool of all) pool.refuse(reason)
      },
      cut() {
        for (const pool of all) pool.cut()
      },
    },
    bulk,
    urgent,
    async close() {
      await Promise.all(all.map((pool) => pool.close()))
    },
  }
}
