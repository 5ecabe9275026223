import type { Site } from './site.ts'

/** A server that is killed and started again. */
export interface Victim {
  /** Where it answers right now. */
  url: string
  /** Of processes that were killed. */
  pids: Set<number>
  /** Kills it so many times, each time when `reached` says so, and every second time with its Postgres. */
  killOften(kills: number, reached: (kill: number) => Promise<unknown>): Promise<void>
}

export const startVictim = async (site: Site, env: Record<string, string> = {}): Promise<Victim> => {
  let server = site.spawn(env)
  const victim: Victim = {
    url: await server.ready,
    pids: new Set(),
    async killOften(kills, reached) {
      for (let kill = 0; kill < kills; kill++) {
        await reached(kill)
        victim.pids.add(server.pid)
        await server.kill()
        if (kill % 2 === 1) site.killPostgres()
        server = site.spawn(env)
        victim.url = await server.ready
      }
    },
  }
  return victim
}
