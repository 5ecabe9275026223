import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

const ofAPipe = 2
/** Over which a child tells that it has begun, and one to spare. */
const ofAChild = 3

/**
 * Throws where a child with so many pipes could not be started for want of descriptors. Node (20.20) loses its ends of the
 * pipes, for ever, where there are enough for them and none for the rest: what is at its limit would stay there. It must be
 * started at once, so that nobody takes what was found.
 */
export const needRoomForChild = (pipes: number): void => {
  const taken: number[] = []
  try {
    while (taken.length < pipes * ofAPipe + ofAChild) taken.push(openSync('/dev/null', 'r'))
  } finally {
    for (const descriptor of taken) closeSync(descriptor)
  }
}

/** Whether a child has ended and was collected: its pid may be that of another by now. */
export const isCollected = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Starts a program. Of what keeps it from that, Node throws some, and tells the rest a moment later: this rejects. */
export const startProgram = async (
  [file = '', ...args]: readonly string[],
  options: SpawnOptions & { stdio: readonly unknown[] },
): Promise<ChildProcess> => {
  needRoomForChild(options.stdio.filter((one) => one === 'pipe').length)
  const child = spawn(file, args, options)
  if (child.pid === undefined) await once(child, 'spawn')
  return child
}
