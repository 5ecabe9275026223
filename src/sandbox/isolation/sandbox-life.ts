import { AppError } from '../../lib/errors.ts'
import { asExhausted } from '../../lib/exhaustion.ts'
import type { Logger } from '../../lib/log.ts'
import { neverBegun } from './exit-of.ts'
import type { ControlGroup, ControlGroups } from './limits/control-groups.ts'
import { orphanedFolders, type RunFolder, removeRunFolder } from './run-folder.ts'
import type { Sandbox, SandboxCommand, SandboxExit, SandboxLimits, SandboxPlaces } from './sandbox.ts'

/** Input for running one command. */
export interface CommandTurn {
  command: SandboxCommand
  /** Number of the command in its sandbox, from 0. */
  number: number
  group: ControlGroup | undefined
  /** True to kill the command without SIGTERM, because the sandbox is being destroyed. */
  isAtOnce(): boolean
}

export interface SandboxLife {
  id: string
  folder: RunFolder
  places: SandboxPlaces
  limits: SandboxLimits
  groups: ControlGroups | undefined
  log: Logger
  carryOut(turn: CommandTurn): Promise<SandboxExit>
  /**
   * Called after the last command has ended and the folder is removed. `isClean`: every command was seen to end, with all
   * that it had started.
   */
  release(isClean: boolean): void
}

const cannotRemove = 'the folder of a sandbox cannot be removed'

/** Creates a sandbox over a host folder and manages it from its first command to its end. */
export const liveSandbox = ({ id, folder, places, limits, groups, log, carryOut, release }: SandboxLife): Sandbox => {
  const destroyed = new AbortController()
  const running = new Set<Promise<unknown>>()
  let commands = 0
  let isClean = true
  let destroying: Promise<void> | undefined

  const take = async (command: SandboxCommand): Promise<SandboxExit> => {
    if (destroyed.signal.aborted) throw new AppError('sandbox_unavailable', `The sandbox ${id} no longer exists`)
    folder.close()
    const number = commands++
    let group: ControlGroup | undefined
    const signal = AbortSignal.any([command.signal, destroyed.signal])
    const isAtOnce = () => destroyed.signal.aborted
    if (signal.aborted) return neverBegun(0)
    try {
      group = groups?.open(`${id}.${process.pid}-${number}`, limits)
      const exit = await carryOut({ command: { ...command, signal }, number, group, isAtOnce })
      if (exit.code === null) isClean = false
      return exit
    } catch (error) {
      isClean = false
      throw asExhausted(error, 'A command cannot be carried out in its sandbox')
    } finally {
      if ((await group?.remove()) === false) {
        isClean = false
        log.error({ sandbox: id }, 'processes of a sandbox cannot be killed')
      }
    }
  }
  const destroy = async () => {
    destroyed.abort()
    await Promise.allSettled(running)
    // The command's result does not depend on the removal; the next server start tries again.
    await folder.remove().catch((error: unknown) => log.error({ sandbox: id, err: error }, cannotRemove))
    release(isClean)
  }
  return {
    ...{ id, folders: folder.folders, places, put: folder.put, own: folder.own },
    run(command) {
      const done = take(command)
      running.add(done)
      const forget = () => running.delete(done)
      done.then(forget, forget)
      return done
    },
    destroy() {
      destroying ??= destroy()
      return destroying
    },
  }
}

/** Removes the folders below `parent` whose owners are gone, and kills what still runs for them. */
export const reapFolders = async (
  parent: string,
  groups: ControlGroups | undefined,
  log: Logger,
  kill: (id: string) => Promise<void> = async () => {},
): Promise<number> => {
  const orphans = await orphanedFolders(parent)
  let removed = 0
  for (const { id, path } of orphans) {
    await kill(id)
    const names = groups?.names().filter((name) => name.startsWith(`jetty-${id}.`)) ?? []
    for (const name of names) await groups?.removeLeft(name)
    try {
      await removeRunFolder(path)
      removed++
      log.info({ sandbox: id }, 'removed a sandbox whose process is gone')
    } catch (error) {
      log.error({ sandbox: id, err: error }, cannotRemove)
    }
  }
  return removed
}
