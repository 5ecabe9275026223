import type { Child } from './children.ts'
import type { LoadResult } from './closed-loop.ts'
import { median } from './numbers.ts'
import { cpuSecondsOf } from './processes.ts'

/** Units a second, and the CPU of each in the process under test and in PostgreSQL. */
export interface Speed {
  perSecond: number
  nodeMicros: number
  postgresMicros: number
}

/** Measures a load once. `units` is the number of units in one of what it counts. */
export const measureSpeed = async (
  postgresPid: number,
  units: number,
  work: () => Promise<LoadResult>,
): Promise<Speed> => {
  const before = cpuSecondsOf(postgresPid)
  const { done, seconds, cpuMicros } = await work()
  const postgresMicros = (cpuSecondsOf(postgresPid) - before) * 1e6
  const count = done * units
  return { perSecond: count / seconds, nodeMicros: cpuMicros / count, postgresMicros: postgresMicros / count }
}

/** Measures the steps of runs, so many of which go at the same time. */
export const measureSteps = (
  postgresPid: number,
  peer: Child,
  load: { steps: number; clients: number; milliseconds: number },
): Promise<Speed> => measureSpeed(postgresPid, load.steps, () => peer.ask<LoadResult>('throughput', load))

export const perSecondOf = (speeds: readonly Speed[]): number[] => speeds.map((speed) => speed.perSecond)

export const medianSpeed = (speeds: readonly Speed[]): Speed => ({
  perSecond: median(perSecondOf(speeds)),
  nodeMicros: median(speeds.map((speed) => speed.nodeMicros)),
  postgresMicros: median(speeds.map((speed) => speed.postgresMicros)),
})
