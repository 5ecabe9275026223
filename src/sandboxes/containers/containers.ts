import { userInfo } from 'node:os'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { AppError, messageOf } from '../../lib/errors.ts'
import { asExhausted } from '../../lib/exhaustion.ts'
import type { Logger } from '../../lib/log.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { elsewhere, machineFolder } from '../bubblewrap/host.ts'
import { isOwnerGone, ownerIn } from '../owner.ts'
import { probeTools } from '../probe-tools.ts'
import { makeRunFolder, ownerFileOf } from '../run-folder.ts'
import type { ImageFound, LimitMechanisms, Sandbox, SandboxProbe, SandboxProvider, SandboxSpec } from '../sandbox.ts'
import { liveSandbox, reapFolders } from '../sandbox-life.ts'
import { takeUserSlot } from '../user-slot.ts'
import { type ContainerEngine, couldNotStart, type EngineFacts, openEngine } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import { type ContainerUser, runInContainer, seccompFile } from './run.ts'
import { containerSeccomp } from './seccomp.ts'
import { type ContainerEngineName, findSocket } from './socket.ts'

export interface ContainerProviderOptions {
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

/** Images whose tools are remembered. */
const mostImages = 100

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

const mechanismsOf = ({ limits, cgroups }: EngineFacts): LimitMechanisms => ({
  memory: limits.memory ? cgroups : undefined,
  pids: limits.pids ? cgroups : undefined,
  cpu: limits.cpu ? cgroups : undefined,
  disk: 'watched',
})

/** Chooses the user inside: files that it writes on the host must belong to a distinct user. */
const userFor = async (facts: EngineFacts, firstUid: number): Promise<ContainerUser & { release(): void }> => {
  const { uid, gid } = userInfo()
  const release = () => {}
  if (uid === 0) {
    if (facts.isRootless) {
      throw new AppError('sandbox_unavailable', `${facts.version} runs as an ordinary user, and this server as root`, {
        hint: 'Run the server as that user, or set JETTY_SANDBOX_SOCKET to the socket of an engine of root.',
      })
    }
    const slot = await takeUserSlot(`${machineFolder}/uids`, firstUid)
    const usernsMode = facts.isRemapped ? { usernsMode: 'host' } : {}
    return { uid: slot.uid, gid: slot.uid, ...usernsMode, release: () => slot.release() }
  }
  if (facts.isRootless)
    return facts.isPodman ? { uid, gid, usernsMode: 'keep-id', release } : { uid: 0, gid: 0, release }
  return { uid, gid, ...(facts.isRemapped && { usernsMode: 'host' }), release }
}

const etcOf = ({ uid, gid }: ContainerUser): Record<string, string> => ({
  passwd: `${uid === 0 ? '' : 'root:x:0:0:root:/root:/usr/sbin/nologin\n'}agent:x:${uid}:${gid}:agent:${inside.home}:/bin/sh\n`,
  group: `${gid === 0 ? '' : 'root:x:0:\n'}agent:x:${gid}:\n`,
})

/** Hint for an image that cannot be used: either the image or its engine lacks something. */
const hintFor = (message: string, name: string): string =>
  message.startsWith(couldNotStart) && !/no such file|not found|exec format/i.test(message)
    ? `This is the message of ${name}: find the cause in its log.`
    : `It needs /bin/sh and the libraries of ${process.execPath}: take one of Debian, Ubuntu or another with glibc, and ` +
      'Node as nodejs.org has it.'

const findOrPull = async (
  engine: ContainerEngine,
  wanted: string,
  { onProgress, signal }: SandboxSpec,
  log: Logger,
): Promise<EngineImage> => {
  const found = await engine.findImage(wanted)
  if (found) return found
  log.info({ image: wanted }, 'fetching an image')
  await engine.pull(wanted, (line) => onProgress?.(`${wanted}: ${line}`), signal)
  const fetched = await engine.findImage(wanted)
  if (fetched) return fetched
  throw new AppError('sandbox_unavailable', `The image ${wanted} was pulled but is missing`)
}

/** A container is orphaned when its run folder is gone, or the process that created it. */
const isOrphaned = async (parent: string, id: string): Promise<boolean> => {
  const file = ownerFileOf(join(parent, id))
  const owner = ownerIn(file)
  return owner === undefined || (await isOwnerGone(file, owner))
}

/** Runs each command in a Docker or Podman container of its own, over folders of this host. */
export const containerProvider = (options: ContainerProviderOptions): SandboxProvider => {
  const { name, parent, firstUid, defaultImage, log } = options
  const isRoot = process.getuid?.() === 0
  let opening: Promise<{ engine: ContainerEngine; facts: EngineFacts }> | undefined
  /** Probe results by image id. */
  const tried = new LRUCache<string, Promise<SandboxProbe['tools']>>({ max: mostImages })

  const open = async () => {
    if (process.platform !== 'linux') {
      throw new AppError(
        'sandbox_unavailable',
        `${name} runs in a virtual machine here, which shares files but no sockets`,
        {
          hint: elsewhere,
        },
      )
    }
    const engine = await openEngine(findSocket({ name, socket: options.socket, env: process.env, isRoot }))
    return { engine, facts: await engine.describe() }
  }
  const opened = () => {
    opening ??= open()
    opening.catch(() => {
      opening = undefined // the engine may be started before the next attempt
    })
    return opening
  }

  /**
   * Checks that the server's Node runs in an image, which the bridge to the gateway needs, and lists the image's tools.
   */
  const tryImage = (image: EngineImage, wanted: string, signal?: AbortSignal): Promise<SandboxProbe['tools']> => {
    const known = tried.get(image.id)
    if (known) return known
    const trying = probeTools((spec) => furnish(spec, image), { image: wanted, signal }).catch((error: unknown) => {
      tried.delete(image.id)
      throw new AppError('sandbox_unavailable', `The image ${wanted} cannot be used: ${messageOf(error)}`, {
        hint: (error instanceof AppError && error.hint) || hintFor(messageOf(error), name),
        cause: error,
      })
    })
    tried.set(image.id, trying)
    return trying
  }

  const furnish = (spec: SandboxSpec, image: EngineImage): Promise<Sandbox> =>
    furnished(spec, image).catch((error) => {
      throw asExhausted(error, 'Sandboxes are not available')
    })

  const furnished = async ({ id, limits, agentFolder }: SandboxSpec, image: EngineImage): Promise<Sandbox> => {
    const { engine, facts } = await opened()
    const { release, ...user } = await userFor(facts, firstUid)
    try {
      const etc = { ...etcOf(user), [seccompFile]: containerSeccomp() }
      const folder = await makeRunFolder({ parent, id, uid: isRoot ? user.uid : undefined, etc })
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

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    const { engine } = await opened()
    const wanted = spec.image ?? defaultImage
    const image = await findOrPull(engine, wanted, spec, log)
    await tryImage(image, wanted)
    return furnish(spec, image)
  }

  const probe: SandboxProvider['probe'] = async (signal) => {
    try {
      const { engine, facts } = await opened()
      const image = await engine.findImage(defaultImage)
      const tools = image ? await tryImage(image, defaultImage, signal) : {}
      const mechanisms = mechanismsOf(facts)
      const limits = Object.entries(mechanisms).map(([limit, by]) => `${limit} ${by ?? 'not limited'}`)
      const imageFound = image ? `image ${defaultImage}` : `the image ${defaultImage} is not here yet`
      return { works: true, found: `${facts.version}; ${limits.join(', ')}; ${imageFound}`, mechanisms, tools }
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
      const { engine } = await opened()
      const found = await engine.labelled(`${labels.parent}=${parent}`)
      // In parallel: finding out that an owner in another container is gone takes seconds.
      const looking = found.map(async ({ id, labels: marks }) => {
        if (await isOrphaned(parent, marks[labels.sandbox] ?? '')) await engine.remove(id)
      })
      await Promise.all(looking)
      return reapFolders(parent, undefined, log)
    },
  }
}
