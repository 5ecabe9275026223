import { AppError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { inside } from '../model/sandbox.ts'
import { etcFiles } from './bubblewrap-arguments.ts'
import { type BubblewrapHost, closedOnTheWay, lookAtHost, machineFolder } from './bubblewrap-host.ts'
import { probeBubblewrap } from './bubblewrap-probe.ts'
import { runInBubblewrap } from './bubblewrap-run.ts'
import { removeTree } from './remove-tree.ts'
import { makeRunFolder, orphanedFolders, writeEtc } from './run-folder.ts'
import type { Sandbox, SandboxExit, SandboxProbe, SandboxProvider, SandboxSpec } from './sandbox.ts'
import { takeUserSlot } from './user-slot.ts'

export interface BubblewrapProviderOptions {
  /** Where run folders are made. */
  parent: string
  /** Of root's sandboxes. */
  firstUid: number
  log: Logger
  /** What is there to work with; looked up where it is not given. */
  lookAtHost?: () => Promise<BubblewrapHost>
}

/** Linux namespaces, by bubblewrap: each command sees a system of its own that has nothing but what it was given. */
export const bubblewrapProvider = (options: BubblewrapProviderOptions): SandboxProvider => {
  const { parent, firstUid, log } = options
  let looking: Promise<BubblewrapHost> | undefined
  let trying: Promise<SandboxProbe> | undefined
  const host = () => {
    looking ??= (options.lookAtHost ?? lookAtHost)()
    looking.catch(() => {
      looking = undefined // it may be installed by the next time
    })
    return looking
  }

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    if (spec.image !== undefined) {
      throw new AppError('sandbox_unavailable', `bubblewrap cannot run the image ${spec.image}`, {
        hint: 'Set JETTY_SANDBOX=docker or podman, or take a snapshot that needs no image.',
      })
    }
    const found = await host()
    const slot = found.isRoot ? await takeUserSlot(`${machineFolder}/uids`, firstUid) : undefined
    try {
      return await furnish(found, spec, slot?.uid, () => slot?.release())
    } catch (error) {
      slot?.release()
      throw error
    }
  }

  const furnish = async (
    found: BubblewrapHost,
    { id, limits, agentFolder }: SandboxSpec,
    uid: number | undefined,
    release: () => void,
  ): Promise<Sandbox> => {
    const folder = await makeRunFolder({ parent, id, uid })
    await writeEtc(folder.path, etcFiles)
    const closed = uid !== undefined && found.stage === undefined ? closedOnTheWay(folder.path) : undefined
    if (closed !== undefined) {
      await folder.remove()
      throw new AppError('sandbox_unavailable', `${closed} is closed to the user that a sandbox runs as`, {
        hint: 'Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to folders that every user may pass through.',
      })
    }
    const destroyed = new AbortController()
    const running = new Set<Promise<unknown>>()
    let commands = 0
    let destroying: Promise<void> | undefined

    const run: Sandbox['run'] = async (command) => {
      if (destroyed.signal.aborted) throw new AppError('sandbox_unavailable', `The sandbox ${id} is gone`)
      folder.close()
      const number = commands++
      const group = found.groups?.open(`${id}.${process.pid}-${number}`, limits)
      const signal = AbortSignal.any([command.signal, destroyed.signal])
      try {
        return await runInBubblewrap({
          ...{ host: found, folder, uid, agentFolder, limits, group, number },
          isAtOnce: () => destroyed.signal.aborted,
          command: { ...command, signal },
        })
      } finally {
        if ((await group?.remove()) === false) log.error({ sandbox: id }, 'processes of a sandbox cannot be killed')
      }
    }
    const tracked = (command: Parameters<Sandbox['run']>[0]): Promise<SandboxExit> => {
      const done = run(command)
      running.add(done)
      const forget = () => running.delete(done)
      done.then(forget, forget)
      return done
    }
    const destroy = async () => {
      destroyed.abort()
      await Promise.allSettled(running)
      await folder.remove()
      release()
    }
    return {
      id,
      folders: folder.folders,
      places: inside,
      put: folder.put,
      own: folder.own,
      run: tracked,
      destroy() {
        destroying ??= destroy()
        return destroying
      },
    }
  }

  const provider: SandboxProvider = {
    name: 'bubblewrap',
    create,
    probe() {
      trying ??= probeBubblewrap(host, provider.create).finally(() => {
        trying = undefined
      })
      return trying
    },
    async reap() {
      const orphans = await orphanedFolders(parent)
      const groups = (await host().catch(() => undefined))?.groups
      for (const { id, path } of orphans) {
        for (const name of groups?.names() ?? []) {
          if (name.startsWith(`jetty-${id}.`)) await groups?.removeLeft(name)
        }
        await removeTree(path)
        log.info({ sandbox: id }, 'sandbox of a process that is gone removed')
      }
      return orphans.length
    },
  }
  return provider
}
