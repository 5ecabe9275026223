import { createHash } from 'node:crypto'
import { pause } from '../lib/time.ts'
import type { RunStatus } from '../model/workflow.ts'
import type { EngineContext } from './context.ts'
import { type Dispatcher, handOver, launchDispatcher, pruneLeases } from './dbos.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { makeEnqueue } from './enqueue.ts'
import { makeEnvironments } from './environments.ts'
import { beat, keepBeating } from './heartbeat.ts'
import { openJournal } from './journal.ts'
import { type Leases, makeLeases } from './leases.ts'
import { listen } from './listen.ts'
import { wakeParked } from './park.ts'
import { patient } from './patient.ts'
import { makePrograms } from './programs.ts'
import { collectRequests, requestEnd } from './requests.ts'
import { makeResultReader } from './results.ts'
import { makeSlots } from './slots.ts'
import { startRun } from './start.ts'
import { makeTakeover } from './takeover.ts'
import { makeWaiters } from './waiters.ts'

/** Queued leases that one process takes at the most while it is not waiting for anything. */
const leaseBudget = 16
/** Runs in memory above which new ones are queued for somebody else, or for later. */
const mostLive = 20_000
/** Without news: how often to look for queued leases, due parked runs and lost requests. */
const fallbackPollMs = 1_000
const pruneEveryMs = 10_000

/** Builds the engine from its rooms; see engine.ts for what it promises. */
export const makeEngine = async (options: EngineOptions): Promise<Engine> => {
  const { database, executor, role, log } = options
  const stopper = new AbortController()
  const stopping = stopper.signal
  const shard = createHash('sha256').update(executor).digest().readUInt8(0) % 64
  const insistent = patient(database, stopping)
  const watchers = new Map<string, Set<() => void>>()
  const tellWatchers = (runKey: string) => {
    for (const tell of watchers.get(runKey) ?? []) tell()
  }
  const journal = openJournal({ url: database.url, shard, onCommit: tellWatchers })
  const programs = makePrograms(insistent, options.activities)
  const waiters = makeWaiters(insistent, (runKey) => engine.live.has(runKey))
  const engine: EngineContext = {
    executor,
    database: insistent,
    journal,
    activities: options.activities,
    objects: options.objects,
    fetch: options.fetch,
    log,
    limits: options.limits,
    slots: makeSlots(options.limits.concurrency),
    live: new Map(),
    programs,
    environments: makeEnvironments(options),
    stopping,
    results: makeResultReader(insistent),
    onEnd: (runKey) => waiters.ended(runKey),
  }

  let dispatcher: Dispatcher | undefined
  const running = (): Dispatcher => {
    if (!dispatcher) throw new Error('The engine is not ready yet')
    return dispatcher
  }
  const leases: Leases = makeLeases(engine, running, () => wake())
  const takeover = makeTakeover(engine, leases)

  /** Asks for queued leases, one question at a time; news during a question leads to another one. */
  let polling = false
  let news = false
  const wake = (): void => {
    if (stopping.aborted || !dispatcher || leases.busy() >= leaseBudget) return
    news = true
    if (polling) return
    polling = true
    void (async () => {
      while (news && !stopping.aborted) {
        news = false
        const budget = leaseBudget - leases.busy()
        if (budget > 0) await running().poll(budget)
      }
    })()
      .catch((error) => log.debug({ err: error }, 'queue poll failed'))
      .finally(() => {
        polling = false
      })
  }

  const onRequests = () => {
    void collectRequests(engine, [...leases.local.keys()]).catch(() => {})
  }

  const timers: NodeJS.Timeout[] = []
  const every = (milliseconds: number, work: () => Promise<unknown> | undefined) => {
    let busy = false
    const timer = setInterval(async () => {
      if (busy || stopping.aborted) return
      busy = true
      await Promise.resolve(work()).catch((error) => log.debug({ err: error }, 'background work failed'))
      busy = false
    }, milliseconds)
    timers.push(timer)
  }

  let stopBeating = () => {}
  if (role !== 'api') {
    await beat(engine)
    const early = executor === 'local' ? takeOwnLeases(engine, takeover) : undefined
    dispatcher = await launchDispatcher({
      database,
      executor,
      log,
      onLease: async (leaseId) => {
        if (stopping.aborted) return new Promise(() => {})
        const lease = leases.local.get(leaseId) ?? (await takeover(leaseId))
        await lease.finished
      },
    })
    await early
    stopBeating = keepBeating(engine)
    void listen(database, { runs: wake, requests: onRequests }, stopping)
    every(fallbackPollMs, async () => {
      wake()
      if (engine.live.size > 0) onRequests()
      await wakeParked(database)
    })
    every(pruneEveryMs, async () => {
      while ((await pruneLeases(database)) === 500 && !stopping.aborted) await pause(100, stopping)
    })
  }

  const enqueue = makeEnqueue(database, shard)
  const hasRoom = () => role !== 'api' && !stopping.aborted && engine.slots.free > 0 && engine.live.size < mostLive

  return {
    start: (request) =>
      startRun(
        {
          engine,
          leases,
          enqueue,
          hasRoom,
          sealSecrets: (secrets, runKey) =>
            Object.keys(secrets).length === 0 ? null : options.sealer.seal(JSON.stringify(secrets), `runs/${runKey}`),
          shownDefinition: (hash, scrub) => shownDefinition(engine, hash, scrub),
        },
        request,
      ),
    wait: (runKey, signal) => waiters.wait(runKey, signal),
    async requestEnd(runKeys, status, seconds = 5) {
      await settle(engine, waiters.wait, runKeys, status, seconds)
    },
    watch(runKey, onChange) {
      const set = watchers.get(runKey) ?? new Set()
      watchers.set(runKey, set.add(onChange))
      return () => {
        set.delete(onChange)
        if (set.size === 0) watchers.delete(runKey)
      }
    },
    check(workflow) {
      const program = programs.compile(JSON.stringify(workflow))
      return [
        ...program.problems,
        ...program.steps.flatMap((step) => step.warnings.map((warning) => `Step '${step.name}': ${warning}`)),
      ]
    },
    statistics: () => ({
      live: engine.live.size,
      slots: engine.slots.used,
      leases: leases.local.size,
      ...journal.statistics,
    }),
    async stop(seconds) {
      await drain(engine, leases, stopper, seconds, dispatcher)
      for (const timer of timers) clearInterval(timer)
      stopBeating()
      await journal.close()
      await dispatcher?.close()
    },
  }
}

/** Before the library is up: leases that a former life of this very process left behind. */
const takeOwnLeases = async (engine: EngineContext, takeover: (leaseId: string) => Promise<unknown>): Promise<void> => {
  const rows = await engine.database.rows<{ id: string }>(
    'own_leases',
    `select id from leases l where owner = $1
       and exists (select from runs where lease = l.id and ended_at is null)`,
    [engine.executor],
  )
  await Promise.all(rows.map((row) => takeover(row.id)))
}

/** A definition with the secrets of one environment struck out, stored beside the real one for showing. */
const shownDefinition = async (
  engine: EngineContext,
  hash: string,
  scrub: (jsonText: string) => string,
): Promise<string | null> => {
  const [row] = await engine.database.rows<{ workflow: string }>(
    'definition',
    'select workflow from definitions where hash = $1',
    [hash],
  )
  const shown = scrub(row?.workflow ?? '{}')
  if (!row || shown === row.workflow) return null
  const shownHash = createHash('sha256').update(shown).digest('hex')
  await engine.database.rows(
    'keep_definition',
    'insert into definitions (hash, workflow) values ($1, $2) on conflict do nothing',
    [shownHash, shown],
  )
  return shownHash
}

/** Asks again until every run has ended: one may be changing hands, or be going to sleep, while it is asked. */
const settle = async (
  engine: EngineContext,
  wait: (runKey: string, signal: AbortSignal) => Promise<boolean>,
  runKeys: string[],
  status: RunStatus,
  seconds: number,
): Promise<void> => {
  let open = runKeys
  const deadline = Date.now() + seconds * 1000
  while (open.length > 0) {
    await requestEnd(engine.database, open, status)
    await collectRequestsHere(engine, open, status)
    const signal = AbortSignal.timeout(Math.min(500, Math.max(1, deadline - Date.now())))
    const ended = await Promise.all(open.map((runKey) => wait(runKey, signal)))
    open = open.filter((_, at) => !ended[at])
    if (Date.now() >= deadline) return
  }
}

const collectRequestsHere = async (engine: EngineContext, runKeys: string[], status: RunStatus): Promise<void> => {
  for (const runKey of runKeys) {
    const run = engine.live.get(runKey)
    if (run && !run.requested) {
      run.requested = status
      run.interrupt?.()
    }
  }
}

/** No new work; what runs gets `seconds`; the rest goes back on the queue, where the next start or a peer finds it. */
const drain = async (
  engine: EngineContext,
  leases: Leases,
  stopper: AbortController,
  seconds: number,
  dispatcher: Dispatcher | undefined,
): Promise<void> => {
  stopper.abort()
  dispatcher?.stopPolling()
  const deadline = Date.now() + seconds * 1000
  while (engine.slots.used > 0 && Date.now() < deadline) await pause(20)
  for (const run of engine.live.values()) run.interrupt?.()
  while (engine.live.size > 0 && Date.now() < deadline + 1_000) await pause(5)
  await engine.journal.idle()
  if (!dispatcher) return
  for (let round = 0; round < 20; round++) {
    const moved = await handOver(engine.database, engine.executor, true).catch(() => 0)
    if (moved === 0 && round > 0) break
  }
  engine.log.debug({ leases: leases.local.size }, 'leases handed over')
}
