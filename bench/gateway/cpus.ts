import { spawnSync } from 'node:child_process'

/** The gateway that is measured has a core for itself; everything else shares the other. */
export const gatewayCpu = 0
export const otherCpu = 1

/** Moves a process, all its threads and everything they start from now on to one core. */
export const pin = (pid: number, cpu: number): void => {
  const { status, stderr, error } = spawnSync('taskset', ['-a', '-p', '-c', String(cpu), String(pid)])
  if (status !== 0) throw new Error(`taskset: ${error?.message ?? stderr}; two cores and util-linux are needed`)
}
