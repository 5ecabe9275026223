import { setMaxListeners } from 'node:events'
import type { WorkerQueue } from '../model/workers/worker-queue.ts'
import { listen } from '../store/database/own-connection.ts'
import { decideApproval } from '../store/runs/approvals.ts'
import type { Engine } from './engine.ts'
import type { EngineOptions } from './engine-options.ts'
import {
  type Leasing,
  makeLeasing,
  makeRunning,
  makeStarting,
  makeWorkers,
  openStorage,
  type Running,
  type Storage,
} from './engine-parts.ts'
import { scrubberOf } from './environment/environments.ts'
import { tryWakeAllDue } from './leases/leases.ts'
import { countRunbooks } from './runbooks/runbook-clock.ts'
import { drain, startWorker } from './runs/worker.ts'
import type { Starts } from './start/starts.ts'
import { sendEvent } from './waits/send-event.ts'

/** Starts the engine: takes back the runs of this process, then takes leases from the queue. */
export const startEngine = async (options: EngineOptions): Promise<Engine> => {
  const stopper = new AbortController()
  setMaxListeners(0, stopper.signal) // each runbook that is under way listens to it
  const storage = openStorage(options, stopper.signal)
  const { log } = options
  const leasing = makeLeasing(options, storage, {
    take: (queues, most) => running.takeover.take(queues, most),
    onReleased: (lease) =>
      void running.takeover.giveBack(lease).catch((error) => log.error({ err: error }, 'lease not given back')),
    onEnded: (lease, status) => running.fanOuts.ended(lease.id, status),
  })
  const running = makeRunning(options, storage, leasing)
  const parts: Parts = {
    ...{ storage, leasing, running },
    starts: makeStarting(options, storage, leasing, running),
    workers: makeWorkers(options, storage),
  }
  options.watch.onOutage((reason, state) => storage.journal.outage(reason, state === 'failing'))
  const stopWorker = options.role === 'api' ? async () => {} : await startWorker(workerOf(options, parts))
  if (options.role === 'api') {
    const hear = (isListening: boolean) => options.onAccessChange(isListening)
    void listen(options.database, { access: () => hear(true) }, stopper.signal, () => hear(false))
  }
  const stop = async (seconds: number) => {
    stopper.abort()
    const { urgent: database } = storage // its connection is open, where one of the runs may never have been needed
    await drain({ ...options, ...storage, ...leasing, database }, seconds, options.role !== 'api')
    await stopWorker()
    await storage.journal.close()
  }
  let stopped: Promise<void> | undefined
  return engineOf(options, parts, (seconds) => {
    stopped ??= stop(seconds)
    return stopped
  })
}

interface Parts {
  storage: Storage
  leasing: Leasing
  running: Running
  starts: Starts
  workers: WorkerQueue
}

const workerOf = (options: EngineOptions, { storage, leasing, running }: Parts): Parameters<typeof startWorker>[0] => ({
  ...options,
  ...leasing,
  takeover: running.takeover,
  firstRecord: storage.firstRecord,
  stopping: storage.stopping,
  collectRequests: () => leasing.endRequests.collect(leasing.leases.local),
  expireJobs: running.expireJobs,
  watches: running.watches,
  lookForChildren: running.fanOuts.hurry,
})

/** Seconds that a client waits for runs that it asks to end. */
const endSeconds = 5

const engineOf = (options: EngineOptions, parts: Parts, stop: Engine['stop']): Engine => {
  const { watch } = options
  const { storage, leasing, running, starts } = parts
  const { journal, records } = storage
  const { waiters } = running
  return {
    start: starts.start,
    checkStart: starts.checkStart,
    planRerun: starts.planRerun,
    planTrial: starts.planTrial,
    settled: starts.settled,
    preflight: starts.preflight,
    mayAskModels: starts.mayAskModels,
    parametersOf: starts.parametersOf,
    problems: starts.problems,
    check: starts.check,
    planTry: starts.planTry,
    wait: waiters.wait,
    decide: (given) => decide(options, storage, given),
    async sendEvent(event, limits) {
      const sent = await watch.whileUp(() => sendEvent(options.database, event, limits))
      if (sent.event.state === 'delivered' && !sent.duplicate) await tryWakeAllDue(options.database, options.log)
      return sent
    },
    requestEnd: (runKeys, status, seconds = endSeconds) =>
      watch.whileUp(() => leasing.endRequests.settle(runKeys, status, { seconds, wait: waiters.wait })),
    workers: parts.workers,
    record: records.record,
    keepRequest: records.keepRequest,
    recorded: records.settled,
    recording: () => records.now,
    get isFull() {
      return journal.full || records.now === 'full'
    },
    closeRecords: records.close,
    watch: storage.watchers.watch,
    lookFor: leasing.heartbeat.lookFor,
    statistics: () => statisticsOf(options, parts),
    stop,
  }
}

/** Decides about a step, without the secrets of its run in the comment, and wakes the run. */
const decide = async (
  { database, watch, log }: EngineOptions,
  storage: Storage,
  given: Parameters<Engine['decide']>[0],
): ReturnType<Engine['decide']> => {
  const { comment: said, runKey } = given
  const comment = said === null ? null : await watch.whileUp(async () => (await scrubberOf(storage, runKey))(said))
  const decided = await decideApproval(database, { ...given, comment })
  if (decided) await tryWakeAllDue(database, log)
  return decided
}

const statisticsOf = (
  { memory }: EngineOptions,
  { storage, leasing, running, starts }: Parts,
): ReturnType<Engine['statistics']> => ({
  live: storage.live.size,
  slots: storage.slots.used,
  runbooks: countRunbooks(running.runbooks),
  leases: leasing.leases.local.size,
  memory: { used: memory.used, total: memory.total, waiting: memory.waiting, waits: memory.waits },
  started: starts.accepted,
  records: storage.records.statistics,
  ...storage.journal.statistics,
})
