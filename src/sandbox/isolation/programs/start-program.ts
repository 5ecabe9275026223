import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

const ofAPipe = 2
/** Descriptors that Node needs to start a child, and one to spare. */
const ofAChild = 3

/**
 * Throws when too few descriptors are free to start a child with so many pipes. Node 20.20 leaks the parent's ends of
 * the pipes when descriptors suffice for them but not for the rest, so a server at its descriptor limit would never
 * recover. Start the child right after this call, before anything else takes the descriptors.
 */
export const needRoomForChild = (pipes: number): void => {
  const taken: number[] = []
  try {
    while (taken.length < pipes * ofAPipe + ofAChild) taken.push(openSync('/dev/null', 'r'))
  } finally {
    for (const descriptor of taken) closeSync(descriptor)
  }
}

/** Whether a child has ended and was reaped: its pid may already belong to another process. */
export const isCollected = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Starts a program. Rejects on every start error, also on those that Node throws synchronously or emits later. */
export const startProgram = async (
  [file = '', ...args]: readonly string[],
  options: SpawnOptions & { stdio: readonly unknown[] },
): Promise<ChildProcess> => {
  needRoomForChild(options.stdio.filter((one) => one === 'pipe').length)
  const child = spawn(file, args, options)
  if (child.pid === undefined) await once(child, 'spawn')
  return child
}
