import { join } from 'node:path'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { asExhausted } from '../../../lib/exhaustion.ts'
import type { Logger } from '../../../lib/log.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { elsewhere } from '../bubblewrap/host.ts'
import { isOwnerGone, ownerIn } from '../owner.ts'
import { makeRunFolder, ownerFileOf } from '../run-folder.ts'
import type { ImageFound, LimitMechanisms, Sandbox, SandboxProbe, SandboxProvider, SandboxSpec } from '../sandbox.ts'
import { liveSandbox, reapFolders } from '../sandbox-life.ts'
import { etcOf, userFor } from './container-user.ts'
import { type ContainerEngine, type EngineFacts, openEngine } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import { runInContainer, seccompFile } from './run.ts'
import { containerSeccomp } from './seccomp.ts'
import { type ContainerEngineName, findSocket } from './socket.ts'
import { findOrPull, makeTryImage, type TryImage } from './tried-images.ts'

interface ContainerProviderOptions {
  name: ContainerEngineName
  /** Socket of the engine from the settings; undefined to search the usual places. */
  socket: string | undefined
  /** Folder in which run folders are created. */
  parent: string
  /** First user id for sandboxes when the server runs as root. */
  firstUid: number
  /** Image for a sandbox that names none. */
  defaultImage: string
  log: Logger
}

/** Labels of our containers: the sandbox's id, and the parent of its run folder, which identifies the owner. */
const labels = { sandbox: 'jetty.sandbox', parent: 'jetty.parent' } as const

const isRoot = (): boolean => process.getuid?.() === 0

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

const mechanismsOf = ({ limits, cgroups }: EngineFacts): LimitMechanisms => ({
  memory: limits.memory ? cgroups : undefined,
  pids: limits.pids ? cgroups : undefined,
  cpu: limits.cpu ? cgroups : undefined,
  disk: 'watched',
})

/** A container is orphaned when its run folder is gone, or the process that created it. */
const isOrphaned = async (parent: string, id: string): Promise<boolean> => {
  const file = ownerFileOf(join(parent, id))
  const owner = ownerIn(file)
  return owner === undefined || (await isOwnerGone(file, owner))
}

interface OpenedEngine {
  engine: ContainerEngine
  facts: EngineFacts
}

const open = async ({ name, socket }: ContainerProviderOptions): Promise<OpenedEngine> => {
  if (process.platform !== 'linux') {
    const message = `${name} runs in a virtual machine here, which shares files but no sockets`
    throw new AppError('sandbox_unavailable', message, { hint: elsewhere })
  }
  const engine = await openEngine(findSocket({ name, socket, env: process.env, isRoot: isRoot() }))
  return { engine, facts: await engine.describe() }
}

/** Opens the engine at the first use. After a failure it tries again: the engine may have been started meanwhile. */
const makeOpened = (options: ContainerProviderOptions): (() => Promise<OpenedEngine>) => {
  let opening: Promise<OpenedEngine> | undefined
  return () => {
    opening ??= open(options)
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
}

/** Describes an engine that works, for the start-up text and `jetty doctor`. */
const describedEngine = async (
  { engine, facts }: OpenedEngine,
  defaultImage: string,
  tryImage: TryImage,
  signal: AbortSignal | undefined,
): Promise<SandboxProbe> => {
  const image = await engine.findImage(defaultImage)
  const tools = image ? await tryImage(image, defaultImage, signal) : {}
  const mechanisms = mechanismsOf(facts)
  const limits = Object.entries(mechanisms).map(([limit, by]) => `${limit} ${by ?? 'not limited'}`)
  const imageFound = image ? `image ${defaultImage}` : `the image ${defaultImage} is not here yet`
  return { works: true, found: `${facts.version}; ${limits.join(', ')}; ${imageFound}`, mechanisms, tools }
}

/** Removes the containers below `parent` whose owner has ended. */
const removeOrphans = async ({ engine }: OpenedEngine, parent: string): Promise<void> => {
  const found = await engine.labelled(`${labels.parent}=${parent}`)
  // In parallel: finding out that an owner in another container is gone takes seconds.
  const looking = found.map(async ({ id, labels: marks }) => {
    if (await isOrphaned(parent, marks[labels.sandbox] ?? '')) await engine.remove(id)
  })
  await Promise.all(looking)
}

/** Runs each command in a Docker or Podman container of its own, over folders of this host. */
export const containerProvider = (options: ContainerProviderOptions): SandboxProvider => {
  const { name, parent, firstUid, defaultImage, log } = options
  const opened = makeOpened(options)

  const furnish = (spec: SandboxSpec, image: EngineImage): Promise<Sandbox> =>
    furnished(spec, image).catch((error) => {
      throw asExhausted(error, 'Sandboxes are not available')
    })

  const furnished = async ({ id, limits, agentFolder }: SandboxSpec, image: EngineImage): Promise<Sandbox> => {
    const { engine, facts } = await opened()
    const { release, ...user } = await userFor(facts, firstUid)
    try {
      const etc = { ...etcOf(user), [seccompFile]: containerSeccomp() }
      const folder = await makeRunFolder({ parent, id, uid: isRoot() ? user.uid : undefined, etc })
      const marks = { [labels.sandbox]: id, [labels.parent]: parent }
      return liveSandbox({
        ...{ id, folder, places: inside, limits, groups: undefined, log, release },
        carryOut: (turn) =>
          runInContainer({ ...turn, id, engine, facts, image, user, folder, agentFolder, limits, labels: marks, log }),
      })
    } catch (error) {
      release()
      throw error
    }
  }

  const tryImage = makeTryImage(name, furnish)

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    const { engine } = await opened()
    const wanted = spec.image ?? defaultImage
    const image = await findOrPull(engine, wanted, spec, log)
    await tryImage(image, wanted)
    return furnish(spec, image)
  }

  const probe: SandboxProvider['probe'] = async (signal) => {
    try {
      return await describedEngine(await opened(), defaultImage, tryImage, signal)
    } catch (error) {
      const remedy = error instanceof AppError ? error.hint : undefined
      return { works: false, found: messageOf(error), ...(remedy && { remedy }), mechanisms: nothing, tools: {} }
    }
  }

  const findImage = async (image: string): Promise<ImageFound> => {
    try {
      const { engine, facts } = await opened()
      if (await engine.findImage(image)) return { state: 'here' }
      const why = await engine.whyNotFetched(image, facts)
      return why === undefined ? { state: 'elsewhere' } : { state: 'missing', why }
    } catch {
      return { state: 'unknown' } // the probe reports what is wrong with the engine
    }
  }

  return {
    name,
    create,
    probe,
    findImage,
    async reap() {
      await removeOrphans(await opened(), parent)
      return reapFolders(parent, undefined, log)
    },
  }
}
