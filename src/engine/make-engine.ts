import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { listen } from '../database/listen.ts'
import { patient } from '../database/patient.ts'
import { smallShareBytes } from '../lib/memory/owner-caps.ts'
import { oneAtATime } from '../lib/one-at-a-time.ts'
import { makeSlots } from '../lib/slots.ts'
import { pause } from '../lib/time.ts'
import { makeTurns } from '../lib/turns.ts'
import { decideApproval } from '../store/runs/approvals.ts'
import { makeResultFinder } from '../store/runs/step-results.ts'
import { journalShard, recordShard } from '../store/runs/totals.ts'
import { runSecretsSeal, webhookSecretSeal } from '../store/secrets/sealed-texts.ts'
import type { EngineContext } from './context.ts'
import type { Engine, StartedRun } from './engine.ts'
import type { EngineOptions } from './engine-options.ts'
import { makeEnvironments, withoutSecrets } from './environment/environments.ts'
import { readRunSecrets, runSecretsText } from './environment/run-secrets.ts'
import { makeFanOuts } from './fan-out/fan-out.ts'
import { makeOpenRuns } from './fan-out/open-runs.ts'
import { openJournal } from './journal/journal.ts'
import { makeResultReader } from './journal/results.ts'
import { type Dispatcher, launchDispatcher, pruneLeases } from './leases/dbos.ts'
import { beat, beatMs, keepBeating } from './leases/heartbeat.ts'
import { type Leases, type LocalLease, makeLeases } from './leases/leases.ts'
import { collectRequests, settle } from './leases/requests.ts'
import { makeSuspectGates } from './leases/suspects.ts'
import { makeTakeover } from './leases/takeover.ts'
import { makePrograms, shownDefinition } from './program/programs.ts'
import { openRecordLane } from './records/record-lane.ts'
import { countRunbooks } from './runbooks/runbook-clock.ts'
import { drain } from './runs/drain.ts'
import { makeStandingReader } from './runs/standing.ts'
import { makeWaiters } from './runs/waiters.ts'
import { checkWorkflow } from './start/check-workflow.ts'
import { enqueueCarrying, makeEnqueue } from './start/enqueue.ts'
import { mayAskModels, preflight } from './start/preflight.ts'
import { planRerun } from './start/rerun.ts'
import { checkStart, type Starter, startRun } from './start/start.ts'
import { makeModelRules } from './steps/model-rules.ts'
import { makeRunLabels } from './steps/run-labels.ts'
import { makeDecisions } from './waits/decisions.ts'
import { wakeAllDue, wakeOrphans } from './waits/park.ts'

/** Queued leases that one process takes at the most while it is not waiting for anything. */
const leaseBudget = 16
/**
 * More of them, so many at a time, while at least half of the slots are free: leases of few or of sleeping runs must
 * leave none idle. In between, the ones just taken begin, and other processes get their share.
 */
const spareLeases = 4
const spareEveryMs = 20
/** Of both, as many as are asked for in one question. */
const leasesAtOnce = 3
/** Runs in memory above which new ones are queued for somebody else, or for later. */
const mostLive = 20_000
/** How often to look for requests whose notification was lost. */
const fallbackPollMs = 1_000
const pruneEveryMs = 10_000
const retakeAfterMs = 5_000

/** Starts the engine: takes over what is ours, then launches the library that hands leases out. */
export const startEngine = async (options: EngineOptions): Promise<Engine> => {
  const { database, urgent, bulk, watch, executor, role, log } = options
  const stopper = new AbortController()
  const stopping = stopper.signal
  setMaxListeners(0, stopping) // each runbook that is under way listens to it
  const digest = createHash('sha256').update(executor).digest().readUInt8(0)
  const shard = journalShard(digest)
  const insistent = patient(bulk, stopping)
  const watchers = new Map<string, Set<() => void>>()
  const tellWatchers = (runKey: string) => {
    for (const tell of watchers.get(runKey) ?? []) tell()
  }
  const journal = openJournal({ url: database.url, shard, onCommit: tellWatchers, noteTime: database.noteTime })
  watch.onOutage((reason) => {
    journal.outage(reason)
    dispatcher?.reconnect()
  })
  const records = openRecordLane({ database, shard: recordShard(digest), spill: options.spill, log })
  const programs = makePrograms(insistent, options.activities, options.limits)
  const waiters = makeWaiters(insistent, (runKey) => engine.live.has(runKey))
  const engine: EngineContext = {
    executor,
    database: insistent,
    urgent: patient(urgent, stopping),
    journal,
    activities: options.activities,
    objects: options.objects,
    fetch: options.fetch,
    models: options.models,
    carryOutRunbook: options.carryOutRunbook,
    checkRunbook: options.checkRunbook,
    rules: makeModelRules(insistent),
    labels: makeRunLabels(database, options.limits.maxLabelsPerRun),
    activitySettings: options.activitySettings,
    log,
    quota: options.quota,
    limits: options.limits,
    slots: makeSlots(options.limits.concurrency),
    memory: options.memory,
    transfer: makeTransfers(),
    suspects: makeSuspectGates(),
    live: new Map(),
    atGate: new Map(),
    programs,
    environments: makeEnvironments(options),
    beatenMs: performance.now(),
    looks: [],
    stopping,
    standingRecords: makeStandingReader(insistent),
    results: makeResultReader(insistent),
    findResult: makeResultFinder(insistent, options.stepResults),
    decisions: makeDecisions(insistent),
    onEnd: (runKey) => waiters.ended(runKey),
    runbooks: { underWay: new Set(), ended: {} },
    openRuns: makeOpenRuns(insistent, options.limits),
    get fanOuts() {
      return fanOuts
    },
  }

  let dispatcher: Dispatcher | undefined
  const running = (): Dispatcher => {
    if (!dispatcher) throw new Error('The engine is not ready yet')
    return dispatcher
  }
  const leases: Leases = makeLeases(engine, running, {
    onSettled: () => {
      if (backlog) wake()
    },
    onReleased: (lease) => void retake(lease).catch((error) => log.error({ err: error }, 'lease not taken again')),
    onEnded: (lease, status) => fanOuts.ended(lease.id, status),
  })
  const takeover = makeTakeover(engine, leases)

  const sealSecrets: Starter['sealSecrets'] = (secrets, runKey) => {
    const text = runSecretsText(secrets)
    return text === null ? null : options.sealer.seal(text, runSecretsSeal(runKey))
  }
  const shownDefinitionOf: Starter['shownDefinition'] = (hash, scrub) => shownDefinition(insistent, hash, scrub)
  const fanOuts = makeFanOuts({
    engine,
    shard,
    openSecrets: (sealed, runKey) => readRunSecrets(options.sealer.open(sealed, runSecretsSeal(runKey))),
    sealSecrets,
    shownDefinition: shownDefinitionOf,
    onWaiting: (lease, by) => leases.idle(lease, by),
  })

  /** Runs that were left in the middle by an unexpected error of ours are loaded and tried again after a pause. */
  const retake = async (lease: LocalLease): Promise<void> => {
    if (!(await pause(retakeAfterMs, stopping)) || leases.local.get(lease.id) !== lease) return
    leases.local.delete(lease.id)
    const free = `update leases set owner = '' where id = $1 and owner = $2` // no death to count
    await insistent.rows('free_lease', free, [lease.id, executor])
    const again = await takeover(lease.id)
    await again.finished
    lease.finish()
  }

  /** Asks for queued leases, one question at a time; news during a question leads to another one. */
  let polling = false
  let news = false
  /** There was something at the last question, or there was no room to ask: more may be waiting. */
  let backlog = false
  /** A few a question: of what arrives at once, other processes that were told as well get their share. */
  const takeQueued = async (budget: number): Promise<number> => {
    let taken = 0
    while (taken < budget) {
      const asked = Math.min(budget - taken, leasesAtOnce)
      const got = await running().poll(asked)
      taken += got
      if (got < asked) break
    }
    return taken
  }
  const wake = (): void => {
    if (stopping.aborted || !dispatcher) return
    news = true
    if (polling) return
    polling = true
    void (async () => {
      while (news && !stopping.aborted) {
        news = false
        const isIdle = engine.slots.used * 2 < options.limits.concurrency && engine.live.size < mostLive
        const budget = Math.max(leaseBudget - leases.busy(), isIdle ? spareLeases : 0)
        const taken = await takeQueued(budget)
        backlog = budget <= 0 || taken > 0
        if (taken >= budget && isIdle) news = await pause(spareEveryMs, stopping) // there may be more
      }
    })()
      .catch((error) => log.debug({ err: error }, 'queue poll failed'))
      .finally(() => {
        polling = false
      })
  }

  const onDecisions = () => {
    fanOuts.hurry()
    void engine.decisions.look().catch(() => {})
  }
  const onRequests = oneAtATime(() => collectRequests(engine, leases))

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
    if (executor === 'local') await takeOwnLeases(engine, takeover)
    dispatcher = await launchDispatcher({
      database,
      connections: options.libraryConnections,
      executor,
      log,
      onLease: async (leaseId) => {
        if (stopping.aborted) return new Promise(() => {})
        const lease = leases.local.get(leaseId) ?? (await takeover(leaseId))
        await lease.finished
      },
    })
    stopBeating = keepBeating(
      engine,
      leases,
      ({ queued, due }) => {
        if (queued) wake()
        if (due) void wakeAllDue(database).catch((error) => log.debug({ err: error }, 'parked runs not woken'))
      },
      options.beatMs ?? beatMs,
    )
    void listen(database, { runs: wake, requests: onRequests, decisions: onDecisions }, stopping)
    every(fallbackPollMs, async () => {
      onRequests()
      onDecisions()
    })
    every(pruneEveryMs, async () => {
      while ((await pruneLeases(database)) === 500 && !stopping.aborted) await pause(100, stopping)
      await wakeOrphans(database)
    })
  }

  const enqueue = makeEnqueue(database, shard)
  /** Where others fill this process, a collection that waits for nothing here still begins: it gets the next slot. */
  const hasRoom = (collectionId: number) => {
    if (role === 'api' || stopping.aborted) return false
    if (engine.slots.free > 0 && engine.live.size < mostLive) return true
    return !engine.slots.isWaiting(collectionId) && engine.live.size < 2 * mostLive
  }

  const starter: Starter = {
    engine,
    leases,
    enqueue,
    enqueueCarrying: (queued, carry) => enqueueCarrying(database, shard, queued, carry),
    hasRoom,
    sealSecrets,
    sealWebhook: (webhook, runKey) => options.sealer.seal(JSON.stringify(webhook), webhookSecretSeal(runKey)),
    shownDefinition: shownDefinitionOf,
    underWay: new Set(),
  }
  const starting = new Set<Promise<StartedRun>>()
  let started = 0

  return {
    async start(request) {
      const start = watch.whileUp((attempt) => startRun(starter, request, attempt))
      starting.add(start)
      try {
        const run = await start
        started++
        return run
      } finally {
        starting.delete(start)
      }
    },
    checkStart: (request) => watch.whileUp(() => checkStart(starter, request)),
    planRerun: (wanted) => watch.whileUp(() => planRerun(database, programs, wanted)),
    lookFor: (look) => void engine.looks.push(look),
    settled: async () => void (await Promise.allSettled(starting)),
    wait: (runKey, signal) => waiters.wait(runKey, signal),
    async decide(given) {
      const { comment: said, runKey } = given
      const comment = said === null ? null : await watch.whileUp(() => withoutSecrets(engine, runKey, said))
      const decided = await decideApproval(database, { ...given, comment })
      if (decided) await wakeAllDue(database).catch((error) => log.debug({ err: error }, 'parked run not woken yet'))
      return decided
    },
    async requestEnd(runKeys, status, seconds = 5) {
      await watch.whileUp(() => settle(engine, urgent, waiters.wait, runKeys, status, seconds))
    },
    record: (call) => records.record(call),
    recording: () => records.now,
    get isFull() {
      return journal.full || records.now === 'full'
    },
    closeRecords: () => records.close(),
    watch(runKey, onChange) {
      const set = watchers.get(runKey) ?? new Set()
      watchers.set(runKey, set.add(onChange))
      return () => {
        set.delete(onChange)
        if (set.size === 0) watchers.delete(runKey)
      }
    },
    preflight: (planned) => watch.whileUp(() => preflight(starter, planned)),
    mayAskModels: async (definition) => (await programs.of(definition)).steps.some(mayAskModels),
    problems: (workflow) => programs.compile(JSON.stringify(workflow)).problems.map(({ message }) => message),
    check: (workflow, home) => checkWorkflow(database, workflow, programs.compile(JSON.stringify(workflow)), home),
    statistics: () => ({
      live: engine.live.size,
      slots: engine.slots.used,
      runbooks: countRunbooks(engine.runbooks),
      leases: leases.local.size,
      memory: { used: options.memory.used, total: options.memory.total, waiting: options.memory.waiting },
      started,
      records: records.statistics,
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

/** Of the connections of the pool, large values take so many at once. */
const transfersAtOnce = 3

const makeTransfers = (): EngineContext['transfer'] => {
  const inTurn = makeTurns(transfersAtOnce)
  return (bytes, work) => (bytes <= smallShareBytes ? work() : inTurn(async () => work()))
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
