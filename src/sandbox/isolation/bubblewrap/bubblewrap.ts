import { AppError } from '../../../lib/errors.ts'
import { asExhausted } from '../../../lib/exhaustion.ts'
import type { Logger } from '../../../lib/log.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { makeRunFolder } from '../run-folder.ts'
import type { Sandbox, SandboxProbe, SandboxProvider, SandboxSpec } from '../sandbox.ts'
import { liveSandbox, reapFolders, type SandboxLife } from '../sandbox-life.ts'
import { removeLeftClaims, takeUserSlot, type UserSlot } from '../user-slot.ts'
import { etcFiles } from './arguments.ts'
import { type BubblewrapHost, closedOnTheWay, lookAtHost, machineFolder } from './host.ts'
import { probeBubblewrap } from './probe.ts'
import { runInBubblewrap } from './run.ts'

interface BubblewrapProviderOptions {
  /** Folder in which run folders are created. */
  parent: string
  /** First user id for sandboxes when the server runs as root. */
  firstUid: number
  log: Logger
  /** Finds the programs and mechanisms of this host. Default: a real look; tests pass their own. */
  lookAtHost?: () => Promise<BubblewrapHost>
}

/** Folder of the claims of all servers of this host. */
const userClaims = `${machineFolder}/uids`

/** Isolates each command in Linux namespaces made by bubblewrap: it sees only the files that are mounted for it. */
export const bubblewrapProvider = (options: BubblewrapProviderOptions): SandboxProvider => {
  const { parent, firstUid, log } = options
  let looking: Promise<BubblewrapHost> | undefined
  let trying: Promise<SandboxProbe> | undefined
  const host = () => {
    looking ??= (options.lookAtHost ?? lookAtHost)()
    looking.catch(() => {
      looking = undefined // bubblewrap may be installed before the next attempt
    })
    return looking
  }

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    if (spec.image !== undefined) {
      throw new AppError('sandbox_unavailable', `bubblewrap cannot run the image ${spec.image}`, {
        hint: 'Set JETTY_SANDBOX=docker or podman, or use a snapshot that needs no image.',
      })
    }
    let slot: UserSlot | undefined
    try {
      const found = await host()
      slot = found.isRoot ? await takeUserSlot(userClaims, firstUid) : undefined
      return await furnish(found, spec, slot?.uid, (isClean) => (isClean ? slot?.keep() : slot?.release()))
    } catch (error) {
      slot?.release()
      throw asExhausted(error, 'Sandboxes are not available')
    }
  }

  const furnish = async (
    found: BubblewrapHost,
    { id, limits, agentFolder }: SandboxSpec,
    uid: number | undefined,
    release: SandboxLife['release'],
  ): Promise<Sandbox> => {
    const folder = await makeRunFolder({ parent, id, uid, etc: etcFiles })
    const closed = uid !== undefined && found.stage === undefined ? closedOnTheWay(folder.path) : undefined
    if (closed !== undefined) {
      await folder.remove()
      throw new AppError('sandbox_unavailable', `The user of the sandboxes may not enter ${closed}`, {
        hint: 'Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to folders that every user may enter.',
      })
    }
    return liveSandbox({
      ...{ id, folder, places: inside, limits, groups: found.groups, log, release },
      carryOut: (turn) => runInBubblewrap({ ...turn, host: found, folder, uid, agentFolder, limits }),
    })
  }

  const provider: SandboxProvider = {
    name: 'bubblewrap',
    create,
    probe(signal) {
      trying ??= probeBubblewrap(host, provider.create, signal).finally(() => {
        trying = undefined
      })
      return trying
    },
    async reap() {
      const found = await host().catch(() => undefined)
      const removed = await reapFolders(parent, found?.groups, log)
      if (found?.isRoot) await removeLeftClaims(userClaims)
      return removed
    },
  }
  return provider
}
