import { performance } from 'node:perf_hooks'

export interface Load {
  /** How many go at the same time; each starts the next when it is done. */
  clients: number
  milliseconds: number
}

export interface LoadResult {
  done: number
  /** From the first start to the last end. */
  seconds: number
  /** CPU of this process meanwhile, user and system. */
  cpuMicros: number
}

/** Does `once` over and over until the time is up, and lets what has begun come to its end. */
export const closedLoop = async (load: Load, once: (client: number) => Promise<unknown>): Promise<LoadResult> => {
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const until = begun + load.milliseconds
  let done = 0
  const client = async (index: number) => {
    while (performance.now() < until) {
      await once(index)
      done++
    }
  }
  await Promise.all(Array.from({ length: load.clients }, (_, index) => client(index)))
  const seconds = (performance.now() - begun) / 1000
  const used = process.cpuUsage(cpu)
  return { done, seconds, cpuMicros: used.user + used.system }
}

/** Milliseconds of each of `count`, one after another. */
export const oneByOne = async (count: number, once: () => Promise<unknown>): Promise<number[]> => {
  const samples: number[] = []
  for (let at = 0; at < count; at++) {
    const begun = performance.now()
    await once()
    samples.push(performance.now() - begun)
  }
  return samples
}
